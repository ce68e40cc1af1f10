# The C side as Cython sees it: kernels.h word for word, and the columns of the tables.

cdef extern from "kernels.h" nogil:
    ctypedef int64_t i64
    enum:
        FNN_FLOAT32
        FNN_FLOAT64
        FNN_UINT8

    ctypedef struct fnn_epilogue:
        const void *bias
        int act
        void *Z
        i64 z_row
        i64 z_col
        const void *gate
        i64 gate_row
        const double *sgd
        void *W

    ctypedef struct fnn_fetch:
        const char *base
        const i64 *rows
        i64 left
        i64 step
        i64 bytes
        const char *at
        const char *end

    ctypedef struct fnn_rows:
        int x_dtype
        const void *data
        i64 row_step
        i64 col_step
        i64 n_in
        int index_bytes
        const void *indices
        const void *indptr
        double scale
        i64 out_row

    ctypedef struct fnn_layer:
        i64 n_in
        i64 n_out
        const void *W
        const void *bias
        int act

    ctypedef struct fnn_kernels:
        const char *target
        int real_bytes
        int vector_bytes
        double (*dot)(i64 n, const void *x, i64 x_step, const void *y, i64 y_step) noexcept nogil
        void (*gemm)(i64 m, i64 n, i64 k, const void *A, i64 a_row, i64 a_col, const void *B, i64 b_row, i64 b_col,
                     void *C, i64 c_row, i64 c_col, int accumulate, const fnn_epilogue *e, void *scratch) noexcept nogil
        size_t gemm_scratch_bytes
        void (*elementary)(int code, i64 m, i64 n, const void *x, i64 x_row, i64 x_col, void *y, i64 y_row,
                           i64 y_col) noexcept nogil
        void (*slab_forward)(i64 m, i64 n, i64 k, const void *const *x, i64 offset, const void *W, void *P,
                             fnn_fetch *fetch) noexcept nogil
        void (*slab_backward)(i64 k, i64 n, i64 m, const void *const *x, i64 offset, const void *dZ, void *C,
                              const double *sgd, fnn_fetch *fetch) noexcept nogil
        void (*slab_sum)(i64 slabs, i64 step, i64 m, i64 n, i64 padded, const void *P, const void *bias,
                         void *Y) noexcept nogil
        void (*activation)(int act, i64 m, i64 n, const void *x, i64 x_row, i64 x_col, void *y, i64 y_row,
                           i64 y_col) noexcept nogil
        void (*activation_grad)(int act, i64 m, i64 n, const void *yz, i64 yz_row, i64 yz_col, const void *dy,
                                i64 dy_row, i64 dy_col, void *dx, i64 dx_row, i64 dx_col) noexcept nogil
        void (*link)(int code, i64 m, i64 n, const void *R, i64 r_row, i64 r_col, void *Y, i64 y_row,
                     i64 y_col) noexcept nogil
        void (*link_backward)(int code, i64 m, i64 n, const void *Y, void *dY) noexcept nogil
        double (*loss)(int loss, double parameter, i64 m, i64 n, const void *R, const void *T, const void *weights,
                       double norm, void *dR) noexcept nogil
        void (*column_sums)(i64 m, i64 n, const void *A, i64 a_row, i64 a_col, int accumulate, void *out) noexcept nogil
        void (*gather)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, void *out) noexcept nogil
        void (*sparse_forward)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, i64 n_out, const void *W, void *Y,
                               const fnn_epilogue *e) noexcept nogil
        void (*sparse_weight_gradient)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, i64 n_out,
                                       i64 column_from, i64 column_to, const void *dZ, void *dW) noexcept nogil
        void (*targets)(int labels, const void *T, i64 n_out, const i64 *rows, i64 first, i64 m,
                        void *out) noexcept nogil
        void (*take)(const void *values, const i64 *rows, i64 first, i64 m, void *out) noexcept nogil
        void (*dropout)(i64 key, i64 t, int layer, const i64 *rows, i64 first, i64 m, i64 n, double rate,
                        const void *Y, void *out) noexcept nogil
        double (*update)(int rule, const double *scalars, double decay, double l2, i64 rows, i64 n, i64 step, void *w,
                         const void *g, i64 g_step, void *s, void *v, int measure) noexcept nogil
        void (*axpy)(i64 n, double a, const void *x, void *y) noexcept nogil
        void (*scale)(i64 n, double a, void *x) noexcept nogil
        double (*sum_squares)(i64 n, const void *x) noexcept nogil
        i64 (*multiply_adds)(i64 turns, double a, double b, double *sum) noexcept nogil
        double (*read)(i64 n, const void *x) noexcept nogil
        void (*plane_point)(i64 n, double a, double b, const void *x, i64 step, void *y) noexcept nogil
        double (*loss_by_columns)(int loss, double parameter, i64 m, i64 n, const void *R, const void *T, i64 step,
                                  const void *weights, double norm) noexcept nogil
        int (*finite)(i64 n, const void *x) noexcept nogil
        i64 (*row_elements)(i64 k, i64 n) noexcept nogil
        void (*row_pack)(i64 k, i64 n, const void *W, const void *bias, void *packed) noexcept nogil
        i64 (*row_strips)(i64 n) noexcept nogil
        void (*row_layer)(i64 k, i64 n, const void *x, const void *packed, int act, i64 start, i64 stop,
                          int turned, void *y) noexcept nogil
        void (*row_link)(int code, i64 n, void *y) noexcept nogil
        i64 (*columns_elements)(i64 n_in, i64 hidden, i64 n_out) noexcept nogil
        void (*columns)(int layers, const fnn_layer *layer, int link, i64 m, const void *X, i64 x_row, i64 x_col,
                        void *out, i64 out_row, i64 out_col, void *work) noexcept nogil
        void (*row_back)(i64 k, i64 n, const void *W, const void *dz, void *dx) noexcept nogil

    const fnn_kernels *fnn_select(const char *target, int is_double)
    const char *const *fnn_targets()
    void fnn_prepare(int rule, const double *hyper, i64 t, double *scalars, double *decay)

    ctypedef void (*fnn_body)(void *context, i64 chunk, int participant) noexcept nogil
    void fnn_pool_run(int threads, i64 chunks, fnn_body body, void *context)
    ctypedef struct fnn_member:
        pass
    ctypedef void (*fnn_program)(void *context, fnn_member *member) noexcept nogil
    void fnn_team_run(int threads, fnn_program program, void *context)
    void fnn_team_phase(fnn_member *member, i64 chunks, fnn_body body, void *context)
    void fnn_own(void *memory, i64 bytes)
    int fnn_team_id(const fnn_member *member)
    int fnn_pool_threads()
    int fnn_pool_most_used()
    void fnn_pool_reset_statistics()

cdef extern from "plan.h" nogil:
    enum:
        PLAN_COLUMNS "FNN_PLAN_COLUMNS"
        CONST_COLUMNS "FNN_CONST_COLUMNS"
        N_LAYERS "FNN_N_LAYERS"
        FEATURES "FNN_FEATURES"
        OUTPUTS "FNN_OUTPUTS"
        N_PARAMETERS "FNN_N_PARAMETERS"
        LINK "FNN_LINK"
        WIDEST "FNN_WIDEST"
        UNITS "FNN_UNITS"
        N_IN "FNN_N_IN"
        N_OUT "FNN_N_OUT"
        ACT "FNN_ACT"
        BIAS "FNN_BIAS"
        W_AT "FNN_W_AT"
        B_AT "FNN_B_AT"
        UNIT "FNN_UNIT"
        READS_INPUT "FNN_READS_INPUT"
        LOSS_PARAMETER "FNN_LOSS_PARAMETER"
        INPUT_SCALE "FNN_INPUT_SCALE"
        CLIP_NORM "FNN_CLIP_NORM"
        L2_OVER_NORM "FNN_L2_OVER_NORM"
        L2 "FNN_L2"
        DROPOUT "FNN_DROPOUT"
