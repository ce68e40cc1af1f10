/* plan.h: the columns of the plan and const tables, as in plan.py; a test holds the two equal. */
#ifndef FASTNN_PLAN_H
#define FASTNN_PLAN_H

/* both tables are row-major; row 0 is the header, row l describes layer l */
enum { FNN_PLAN_COLUMNS = 8, FNN_CONST_COLUMNS = 4 };

/* header columns of plan */
enum { FNN_N_LAYERS, FNN_FEATURES, FNN_OUTPUTS, FNN_N_PARAMETERS, FNN_LINK, FNN_WIDEST, FNN_UNITS };
/* layer columns of plan */
enum { FNN_N_IN, FNN_N_OUT, FNN_ACT, FNN_BIAS, FNN_W_AT, FNN_B_AT, FNN_UNIT, FNN_READS_INPUT };
/* header columns of const */
enum { FNN_LOSS_PARAMETER, FNN_INPUT_SCALE, FNN_CLIP_NORM, FNN_L2_OVER_NORM };
/* layer columns of const */
enum { FNN_L2, FNN_DROPOUT };

#endif
