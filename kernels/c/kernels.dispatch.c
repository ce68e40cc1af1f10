/* kernels.dispatch.c: every kernel for one CPU target, in float32 and float64.  Compiled once per target:
 *
 *     cc $FLAGS -DFNN_TARGET=v2 -march=x86-64-v2                               -c kernels.dispatch.c -o kernels.v2.o
 *     cc $FLAGS -DFNN_TARGET=v3 -march=x86-64-v3                               -c kernels.dispatch.c -o kernels.v3.o
 *     cc $FLAGS -DFNN_TARGET=v4 -march=x86-64-v4 -mprefer-vector-width=512     -c kernels.dispatch.c -o kernels.v4.o
 *     cc $FLAGS -DFNN_HAVE_v2 -DFNN_HAVE_v3 -DFNN_HAVE_v4                      -c select.c
 *
 * and on arm64 and all others
 *
 *     cc $FLAGS -DFNN_TARGET=baseline                                          -c kernels.dispatch.c
 *     cc $FLAGS -DFNN_HAVE_baseline                                            -c select.c
 *
 *     FLAGS = -std=c11 -O3 -fno-math-errno -fno-trapping-math -ffp-contract=fast -fvisibility=hidden -fPIC
 *
 * GCC before 11 does not know -march=x86-64-v2 and its kin: -msse4.2 -mpopcnt; -mavx2 -mfma -mbmi -mbmi2 -mf16c -mlzcnt
 * -mmovbe; and those with -mavx512f -mavx512bw -mavx512cd -mavx512dq -mavx512vl.  MSVC: /O2 /std:c11, /arch:AVX2 for
 * v3, /arch:AVX512 for v4.  Never -ffast-math or -Ofast: they drop NaNs, and GCC then links code that flushes denormals
 * for the whole process.
 *
 * The headers are templates over `real`; each is included once per dtype, and everything in them is static, so that
 * nothing compiled for one target can be linked into another.  What leaves this file are the two tables.
 */
#ifndef FNN_TARGET
#define FNN_TARGET baseline
#endif

#include "elementary.h"
#include "normal.h"
#include "kernels.h"

#define FNN_STRING_(x) #x
#define FNN_STRING(x) FNN_STRING_(x)

#define FNN_BITS 32
#include "simd.h"
#include "activations.h"
#include "elementary512.h"
#include "losses.h"
#include "updates.h"
#include "dense.h"
#include "tile.h"
#include "dots.h"
#include "gemm.h"
#include "slab.h"
#include "loss.h"
#include "row.h"
#include "columns.h"
#include "rows.h"
#include "dropout.h"
#include "peak.h"
#include "surface.h"
#include "table.h"
#undef FNN_BITS

#define FNN_BITS 64
#include "simd.h"
#include "activations.h"
#include "elementary512.h"
#include "losses.h"
#include "updates.h"
#include "dense.h"
#include "tile.h"
#include "dots.h"
#include "gemm.h"
#include "slab.h"
#include "loss.h"
#include "row.h"
#include "columns.h"
#include "rows.h"
#include "dropout.h"
#include "peak.h"
#include "surface.h"
#include "table.h"
