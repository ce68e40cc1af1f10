/* kernels.h: what Cython calls.  One table of functions per CPU target and dtype; kernels.dispatch.c fills it.
 *
 * A function works on a tile, on the calling thread: it neither allocates nor validates, prints, raises or keeps state.
 * void * is float * in the float table and double * in the double table ("real").  Strides are in elements, of rows and
 * of columns, and may be negative or zero; "contiguous" means row-major without gaps.  NULL stands for "not there".
 * Results depend on the arguments alone, never on where a tile lies in memory or on who calls: the same bits for any
 * number of threads follow from splitting the work by shape.
 */
#ifndef FASTNN_KERNELS_H
#define FASTNN_KERNELS_H

#include <stddef.h>
#include <stdint.h>

typedef int64_t i64;

/* dtype of X, as numpy_kernels sees it */
enum { FNN_FLOAT32 = 0, FNN_FLOAT64 = 1, FNN_UINT8 = 2 };

/* What happens to a tile of C while it is still in registers, or in the first cache: C = f(C + bias), and C + bias to Z
 * where it is wanted; or, on the way back, C times relu's f'. */
typedef struct {
    const void *bias; /* (n,) real, contiguous, or NULL */
    int act;          /* f: code of activations.h; 0 is identity */
    void *Z;          /* (m, n) real with the strides below, or NULL */
    i64 z_row, z_col;
    const void *gate; /* NULL, or what relu's f' reads, (m, n) real with contiguous rows; with nothing else */
    i64 gate_row;     /* from row to row */
    const double *sgd; /* NULL, or (learning rate, decay, l2): the product is the gradient g of W, and instead of C, which
                        * is scratch then, W becomes decay W - lr (g + l2 W).  Without anything of the above. */
    void *W;           /* with the strides of C, of which c_col is 1 */
} fnn_epilogue;

/* Memory that the next batch will want, asked for line by line: `bytes` from base + rows[i] step on, for `left` rows. */
typedef struct {
    const char *base;
    const i64 *rows;
    i64 left, step, bytes;
    const char *at, *end; /* of the row that has been begun; NULL at first */
} fnn_fetch;

/* What a block of rows of X is: dense with any strides (in elements of x_dtype), or CSR. */
typedef struct {
    int x_dtype;           /* FNN_FLOAT32, FNN_FLOAT64 or FNN_UINT8 */
    const void *data;      /* dense: element (0, 0); CSR: the values */
    i64 row_step, col_step;
    i64 n_in;
    int index_bytes;       /* 0 dense, 4 or 8 CSR */
    const void *indices, *indptr;
    double scale;          /* const's input scale; cast to real before it multiplies */
    i64 out_row;           /* elements between gathered rows, or 0 where they are contiguous */
} fnn_rows;

/* A layer as `columns` wants it. */
typedef struct {
    i64 n_in, n_out;
    const void *W, *bias; /* (n_in, n_out) contiguous; (n_out,) or NULL */
    int act;
} fnn_layer;

typedef struct {
    const char *target;  /* "v2", "v3", "v4", "baseline" */
    int real_bytes;      /* 4 or 8 */
    int vector_bytes;    /* 16, 32, 64 */

    /* sum_i x_i y_i */
    double (*dot)(i64 n, const void *x, i64 x_step, const void *y, i64 y_step);

    /* C = A B, or C += A B; then the epilogue where e is not NULL.  scratch: gemm_scratch_bytes bytes, 64-byte aligned,
     * for packed panels and turned columns; may be NULL where that is 0.  k may be 0. */
    void (*gemm)(i64 m, i64 n, i64 k, const void *A, i64 a_row, i64 a_col, const void *B, i64 b_row, i64 b_col,
                 void *C, i64 c_row, i64 c_col, int accumulate, const fnn_epilogue *e, void *scratch);
    size_t gemm_scratch_bytes;
    /* For rows x[0..m) of the inputs, of which a slab of weights W (k, n) takes k from `offset` on:
     * P (m, n) = x W, and dW (k, n) = x^T dZ, or the update above of C = W where there is sgd.  All contiguous, with rows
     * of whole registers that are aligned to them.  Beside the arithmetic the lines of `fetch` are asked for. */
    void (*slab_forward)(i64 m, i64 n, i64 k, const void *const *x, i64 offset, const void *W, void *P,
                         fnn_fetch *fetch);
    void (*slab_backward)(i64 k, i64 n, i64 m, const void *const *x, i64 offset, const void *dZ, void *C,
                          const double *sgd, fnn_fetch *fetch);
    /* Y (m, n) contiguous = bias + sum_s P_s, s in order: P_s (m, padded) contiguous, one after another `step` apart;
     * read by whole registers, so up to one register behind its end */
    void (*slab_sum)(i64 slabs, i64 step, i64 m, i64 n, i64 padded, const void *P, const void *bias, void *Y);

    /* y = f(x), (m, n); y may be x.  elementary: f of FNN_FUNCTIONS in dense.h; activation: of activations.h */
    void (*elementary)(int code, i64 m, i64 n, const void *x, i64 x_row, i64 x_col, void *y, i64 y_row, i64 y_col);
    void (*activation)(int act, i64 m, i64 n, const void *x, i64 x_row, i64 x_col, void *y, i64 y_row, i64 y_col);
    /* dx = dy f'(yz); dx may be dy */
    void (*activation_grad)(int act, i64 m, i64 n, const void *yz, i64 yz_row, i64 yz_col, const void *dy, i64 dy_row,
                            i64 dy_col, void *dx, i64 dx_row, i64 dx_col);
    /* Y = link(R); Y may be R */
    void (*link)(int code, i64 m, i64 n, const void *R, i64 r_row, i64 r_col, void *Y, i64 y_row, i64 y_col);
    /* dY becomes dR; both contiguous */
    void (*link_backward)(int code, i64 m, i64 n, const void *Y, void *dY);
    /* sum_i w_i l(R_i, T_i) / norm in double; dR is written where not NULL and may be R; all contiguous */
    double (*loss)(int loss, double parameter, i64 m, i64 n, const void *R, const void *T, const void *weights,
                   double norm, void *dR);
    /* out_j = (accumulate ? out_j : 0) + sum_i A_ij; out contiguous */
    void (*column_sums)(i64 m, i64 n, const void *A, i64 a_row, i64 a_col, int accumulate, void *out);

    /* Rows of dense X, as real times scale, to out (m, n_in) contiguous: rows[0..m), or first, first + 1, ... where rows
     * is NULL. */
    void (*gather)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, void *out);
    /* Y (m, n_out) contiguous = CSR rows times W (n_in, n_out) contiguous, then the epilogue (its Z contiguous). */
    void (*sparse_forward)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, i64 n_out, const void *W, void *Y,
                           const fnn_epilogue *e);
    /* dW (n_in, n_out) contiguous += CSR rows^T dZ, for the columns of X in [column_from, column_to) only, so that threads
     * may share the work.  dZ (m, n_out) contiguous.  The caller has cleared dW where it must be. */
    void (*sparse_weight_gradient)(const fnn_rows *X, const i64 *rows, i64 first, i64 m, i64 n_out, i64 column_from,
                                   i64 column_to, const void *dZ, void *dW);
    /* Rows of T to out (m, n_out) contiguous: T is real (.., n_out), or int32 (.., 1) labels where labels is not 0, which
     * become one-hot rows. */
    void (*targets)(int labels, const void *T, i64 n_out, const i64 *rows, i64 first, i64 m, void *out);
    /* out_i = values[rows[i]] (real) */
    void (*take)(const void *values, const i64 *rows, i64 first, i64 m, void *out);

    /* out = Y times dropout factors (dropout.h) for rows[i] (or first + i), units 0 .. n-1; contiguous; out may be Y */
    void (*dropout)(i64 key, i64 t, int layer, const i64 *rows, i64 first, i64 m, i64 n, double rate, const void *Y,
                    void *out);

    /* On `rows` runs of n parameters, `step` apart (of g: g_step): w <- decay w, then one step of the rule with the gradient
     * g + l2 w of the old w; scalars = (a, b, c, e) of updates.h.  Returns the sums of squares of the new runs where it is
     * to measure them, the same to the bit as sum_squares, else 0. */
    double (*update)(int rule, const double *scalars, double decay, double l2, i64 rows, i64 n, i64 step, void *w,
                     const void *g, i64 g_step, void *s, void *v, int measure);
    /* y += a x;  x *= a;  sum of squares in double; all contiguous */
    void (*axpy)(i64 n, double a, const void *x, void *y);
    void (*scale)(i64 n, double a, void *x);
    double (*sum_squares)(i64 n, const void *x);

    /* What the target could do at best (peak.h): x <- a x + b in registers, the operations done being returned; and the
     * sum of n contiguous numbers. */
    i64 (*multiply_adds)(i64 turns, double a, double b, double *sum);
    double (*read)(i64 n, const void *x);
    /* y = x_0 + a x_1 + b x_2, n contiguous numbers each, where x_k begins k step behind x; y apart from x */
    void (*plane_point)(i64 n, double a, double b, const void *x, i64 step, void *y);
    /* `loss` without its gradient where outputs lie by columns: element (i, j) of R and T is j step + i */
    double (*loss_by_columns)(int loss, double parameter, i64 m, i64 n, const void *R, const void *T, i64 step,
                              const void *weights, double norm);
    /* neither NaN nor infinity among n contiguous numbers */
    int (*finite)(i64 n, const void *x);

    /* One row alone (row.h).  row_elements: how many reals a layer (k, n) takes when packed; row_pack: W (k, n) contiguous
     * and its bias (n,), or NULL, into them, 64-byte aligned. */
    i64 (*row_elements)(i64 k, i64 n);
    void (*row_pack)(i64 k, i64 n, const void *W, const void *bias, void *packed);
    /* y = f(b + x W) in strips from ... to - 1 of row_strips(n); x (k,) contiguous; y has room for whole strips' registers:
     * row_elements(0, n) reals.  turned, 0 or 1, changes in which order memory is read, not the result. */
    i64 (*row_strips)(i64 n);
    void (*row_layer)(i64 k, i64 n, const void *x, const void *packed, int act, i64 from, i64 to, int turned,
                      void *y);
    /* y = link(y), (n,) contiguous, with the same room */
    void (*row_link)(int code, i64 n, void *y);
    /* out (m, n) = link of the network's last layer for the rows of X (m, n_in), any strides (columns.h): narrow layers,
     * of which all but the last have the same activation.  work: columns_elements(inputs, all hidden units, outputs)
     * reals, 64-byte aligned. */
    i64 (*columns_elements)(i64 n_in, i64 hidden, i64 n_out);
    void (*columns)(int layers, const fnn_layer *layer, int link, i64 m, const void *X, i64 x_row, i64 x_col, void *out,
                    i64 out_row, i64 out_col, void *work);
    /* dx (k,) = W (k, n) dz (n,), all contiguous */
    void (*row_back)(i64 k, i64 n, const void *W, const void *dz, void *dx);
} fnn_kernels;

/* The tables of the best target that this processor has, or of the one named (NULL or "" = best; NULL result = this
 * build or this processor lacks it).  is_double picks the dtype. */
const fnn_kernels *fnn_select(const char *target, int is_double);
/* Names of the targets of this build that this processor has, best first, NULL at the end. */
const char *const *fnn_targets(void);

/* The scalars of an update, computed once per step: hyper is one row of the hyper table, t the steps done before. */
void fnn_prepare(int rule, const double *hyper, i64 t, double *scalars, double *decay);

/* ---- the thread pool (pool.c) ----
 * Run body(context, i, participant) for i in 0 .. chunks - 1 on up to `threads` threads, the caller among them; return
 * when all are done.  No two threads of a run have the same participant, 0 (the caller) to threads - 1: it picks the
 * scratch.  Chunks are claimed one by one, so nobody waits for a sleeping helper.  threads = 1, or a pool that another
 * caller is using, runs all on the caller's thread.  Started on first use, grown on demand, forgotten in a forked child.
 */
typedef void (*fnn_body)(void *context, i64 chunk, int participant);
void fnn_pool_run(int threads, i64 chunks, fnn_body body, void *context);

/* ---- lines that another core has read ----
 * Take some memory back from the cores that have read it, by storing what it holds.  A store to such a line waits for
 * the others to let go of it, 0.1 us and more, and stores between arithmetic wait one after the other; side by side
 * they wait together.  (A prefetch for writing does nothing for a line that is here already.)  Nobody else may write
 * there. */
static inline void fnn_own(void *memory, i64 bytes)
{
    volatile char *p = (volatile char *)memory;
    i64 i;
    for (i = 0; i < bytes; i += 64) p[i] = p[i];
    if (bytes > 0) p[bytes - 1] = p[bytes - 1];
}

/* ---- a team (team.c) ----
 * Run program(context, member) on up to `threads` threads at once, the caller among them as member 0; return when the
 * caller's has returned and every helper has left, or will touch nothing any more.  A program is ordinary serial code,
 * executed by every member for itself, whose parallel parts are phases: all members call fnn_team_phase with the same
 * chunks and bodies in the same order, and it returns when body(context, i, id) has run for every i, on whichever
 * member, with that member's own context.  So serial code writes nothing that is shared, reads what the phase before wrote (which the phase that follows
 * must not write: others may be in it), and only member 0's results count: a helper may be late, and read later sums.
 * Where the program ends on such a sum, a helper returns at once; it may at any time, for the others do its work.  To a
 * helper fnn_team_phase does not return once the caller is through, so it must own nothing but its stack.
 * threads = 1, or a pool that another caller is using: program(context, NULL) on the caller's thread alone.
 */
typedef struct fnn_member fnn_member;
typedef void (*fnn_program)(void *context, fnn_member *member);
void fnn_team_run(int threads, fnn_program program, void *context);
void fnn_team_phase(fnn_member *member, i64 chunks, fnn_body body, void *context);
int fnn_team_id(const fnn_member *member); /* 0 (the caller) to threads - 1: it picks the scratch */

/* Helper threads alive in this process, and the most that took part in one run since fnn_pool_reset_statistics(). */
int fnn_pool_threads(void);
int fnn_pool_most_used(void);
void fnn_pool_reset_statistics(void);

#endif
