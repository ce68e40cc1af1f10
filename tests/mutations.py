"""The mutants: which text of the kernels is replaced by which wrong one.  ``mutants.py`` runs them."""

# ruff: noqa: E501 - texts as they stand
from __future__ import annotations

from typing import NamedTuple


class Mutant(NamedTuple):
    """One mistake: ``old`` stands exactly once in ``kernels/<file>``."""

    backend: str  # whose tests must catch it
    file: str
    name: str
    old: str
    new: str


# What makes the extension compile fast: one CPU target, little optimisation.
QUICK_BUILD = (('return ["v2", "v3", "v4"]', 'return ["v3"]'), ('"-O3"', '"-O1"'))

FORMULAS = (
    ("activations.py", "relu'(0) = 1", "return y > 0  #", "return y >= 0  #"),
    ("activations.py", "sigmoid of -z", "return select(z < 0, e, 1) / (1 + e)", "return select(z < 0, 1, e) / (1 + e)"),
    ("activations.py", "tanh' with the wrong sign", "return 1 - y * y", "return 1 + y * y"),
    ("activations.py", "leaky slope", "LEAKY_SLOPE = 0.01", "LEAKY_SLOPE = 0.011"),
    ("activations.py", "elu' without its 1", "select(y > 0, 1, y + 1)", "select(y > 0, 1, y)"),
    ("activations.py", "softplus overflows", "select(z < 0, 0, z) + log1p(exp(-abs(z)))", "log1p(exp(z))"),
    ("activations.py", "silu' without its second term", "return s * (1 + w * (1 - s))", "return s * (1 + w)"),
    ("activations.py", "gelu' without z", "INV_SQRT_2PI * w * exp", "INV_SQRT_2PI * exp"),
    ("activations.py", "relu swallows NaN", "return select(z < 0, 0, z)  #", "return select(z > 0, z, 0)  #"),
    ("losses.py", "huber's branches meet elsewhere", "p * (e - 0.5 * p)", "p * (e - p)"),
    ("losses.py", "quantile from the other side", "select(r < t, -p, select", "select(r < t, p - 1, select"),
    ("losses.py", "squared error without its half", "return 0.5 * ((r - t) * (r - t))", "return (r - t) * (r - t)"),
    (
        "losses.py",
        "cross-entropy overflows",
        "select(r < 0, 0, r) - r * t + log1p(exp(-abs(r)))",
        "log1p(exp(r)) - r * t",
    ),
    ("losses.py", "log-sum-exp unshifted", "shift = R.max(axis=1, keepdims=True)", "shift = 0 * R[:, :1]"),
    ("losses.py", "softmax unshifted", "np.exp(R - R.max(axis=1, keepdims=True), out=Y)", "np.exp(R, out=Y)"),
    ("losses.py", "softmax backward without coupling", "dY -= (Y * dY).sum(axis=1, keepdims=True)", "pass"),
    (
        "losses.py",
        "poisson gradient",
        "def poisson_df(r, t, p):\n    return exp(r) - t",
        "def poisson_df(r, t, p):\n    return exp(r) + t",
    ),
    ("updates.py", "momentum's sign", "return w + s, s, v", "return w - s, s, v"),
    ("updates.py", "nesterov without look-ahead", "return w + (b * s - a * g), s, v", "return w + s, s, v"),
    (
        "updates.py",
        "adam: eps under the root",
        "return w - a * s / (np.sqrt(v) + e)",
        "return w - a * s / np.sqrt(v + e)",
    ),
    (
        "updates.py",
        "adam: eps before the correction",
        "1 - hyper[SECOND], hyper[EPSILON] * root",
        "1 - hyper[SECOND], hyper[EPSILON]",
    ),
    ("updates.py", "adam: no first correction", "/ (1 - hyper[FIRST] ** t)", ""),
    ("updates.py", "rmsprop: 1 - rho forgotten", "s = s + b * (g * g - s)", "s = s + (g * g - s)"),
    ("dropout.py", "not rescaled", "threshold(rate), 0, 1 / (1 - rate))", "threshold(rate), 0, 1)"),
    ("dropout.py", "nine rounds", "for _ in range(10):", "for _ in range(9):"),
    ("dropout.py", "the step does not count", "np.uint64(t) & LOW", "np.uint64(t) * LOW & WORD * 0"),
    ("dropout.py", "keeps what it should drop", "words < threshold(rate), 0,", "words >= threshold(rate), 0,"),
    (
        "plan.py",
        "reads the output for the input",
        "ACTIVATIONS[act].reads == INPUT\n",
        "ACTIVATIONS[act].reads != INPUT\n",
    ),
    ("plan.py", "room for biases that are not there", "at = b_at + n_out * bias", "at = b_at + n_out"),
)
REFERENCE = (
    ("dropped bias", "        Y += b\n", "        pass\n"),
    ("product not accumulated", "        C += A @ B\n", "        C[...] = A @ B\n"),
    ("transposed product", "matmul(dY, W.T, dX, False, threads)", "dX[...] = (dY @ W.T)[::-1]"),
    ("Z is kept after the activation", "        Z[...] = Y\n", "        Z[...] = ACTIVATIONS[act].f(Y)\n"),
    ("db not summed", "dY.sum(axis=0, out=db)", "dY.mean(axis=0, out=db)"),
    ("1 / norm is missing", "weights / norm if weights.size", "weights if weights.size"),
    ("weights ignored", "scale = weights / norm if weights.size else", "scale ="),
    ("dR overwrites R first", "value = float(LOSSES[loss].f(R, T, p)", "dR[...] = R * 2 if dR.size else 0\n    value = float(LOSSES[loss].f(R, T, p)"),
    ("soft targets counted as one", "np.exp(R - p) * T.sum(axis=1, keepdims=True) - T", "np.exp(R - p) - T"),
    ("decay on biases", "            W *= decay\n", "            W *= decay\n            _ *= decay\n"),
    ("decay of the wrong sign", "theta.dtype.type(1 - hyper_row[LR]", "theta.dtype.type(1 + hyper_row[LR]"),
    ("t not advanced in update", "prepare(hyper_row, t + 1)", "prepare(hyper_row, 1)"),
    ("second moment not kept", "        v[...] = new_v\n", "        pass\n"),
    ("CSR duplicates lost", "np.add.at(Y, self.row, self.value[:, None] * W[self.column])", "Y[self.row] += self.value[:, None] * W[self.column]"),
    ("CSR gradient of the wrong row", "self.value[:, None] * dZ[self.row])", "self.value[:, None] * dZ[self.row - 1])"),
    ("input scale forgotten", "self.matrix *= scale", "pass"),
    ("input scale forgotten for CSR", "self.value = X[0, at].astype(dtype) * scale", "self.value = X[0, at].astype(dtype)"),
    ("label off by one", "np.arange(plan[0, P.OUTPUTS])", "np.arange(1, plan[0, P.OUTPUTS] + 1)"),
    ("dropout not carried back", "            dY *= kept[layer]\n", "            pass\n"),
    ("blocks not summed", "            grad += part\n", "            pass\n"),
    ("no rows leave grad as it was", "        grad[...] = 0\n    for", "        pass\n    for"),
    ("penalty without its half", "penalty += 0.5 * l2", "penalty += l2"),
    ("L2 on biases", "            dW += theta.dtype.type(l2 / divisor) * W", "            dW += theta.dtype.type(l2 / divisor) * W\n            grad[-1] += l2 * theta[-1]"),
    ("penalty never over norm", "divisor = norm if const[0, P.L2_OVER_NORM] else 1.0", "divisor = 1.0"),
    ("clip ignored", "        if size > limit:", "        if size > 1e9 * limit:"),
    ("clip without its norm", "grad.dtype.type(limit / size)", "grad.dtype.type(limit)"),
    ("link forgotten", "link(plan[0, P.LINK], passes[-1], out[rows[0] : rows[-1] + 1])", "out[rows[0] : rows[-1] + 1] = passes[-1]"),
    ("dX before the input scale", "block_dX *= theta.dtype.type(const[0, P.INPUT_SCALE])", "pass"),
    ("dY is overwritten", "dR = dY[span].copy()", "dR = dY[span]"),
    ("rows of X in backward shifted", "block_dX = dX[span] if dX.size", "block_dX = dX[span][::-1] if dX.size"),
    ("last batch skipped", "    for i in range(len(starts) - 1):\n", "    for i in range(len(starts) - 2):\n"),
    ("off by one at the end of a batch", "rows = order[starts[i] : starts[i + 1]]", "rows = order[starts[i] : starts[i + 1] - 1]"),
    ("norm is the number of rows", "norm = float(weights[rows].sum(dtype=np.float64)) if weights.size else", "norm ="),
    ("mask of the wrong step", "norm or 1.0, key, t + i, grad,", "norm or 1.0, key, t, grad,"),
    ("updates before it stops", "        if not np.isfinite(value):\n            return i\n        clip(const, grad)\n        update(plan, rule, hyper[i], t + i, theta, grad, state)", "        clip(const, grad)\n        update(plan, rule, hyper[i], t + i, theta, grad, state)\n        if not np.isfinite(value):\n            return i"),
    ("first hyper row for all", "update(plan, rule, hyper[i], t + i,", "update(plan, rule, hyper[0], t + i,"),
    ("surface along the wrong direction", "products[0] + a * products[1] + b * products[2]", "products[0] + b * products[1] + a * products[2]"),
    ("evaluate drops outputs too", "Rows(const, X, indices, indptr, rows, theta.dtype), {}, threads)\n        T_rows", "Rows(const, X, indices, indptr, rows, theta.dtype), dropout_factors(plan, const, 0, 0, rows, theta.dtype), threads)\n        T_rows"),
)  # fmt: skip

NUMBA = (
    (
        "numba_layers.py",
        "dropped bias",
        "                    y[j] += b[j]\n",
        "                    y[j] += 0\n",
    ),
    ("numba_formulas.py", "softmax unshifted", "row[j] = exp(row[j] - shift)", "row[j] = exp(row[j])"),
    (
        "numba_layers.py",
        "label off by one",
        "labels[row_of(order, start + i), 0]] = 1",
        "(labels[row_of(order, start + i), 0] + 1) % n] = 1",
    ),
    (
        "numba_layers.py",
        "CSR duplicates lost",
        "y[j] += x * w[j]",
        "y[j] = x * w[j]",
    ),
    ("numba_layers.py", "tiles not summed", "        total[i] += part[i]\n", "        total[i] = part[i]\n"),
    (
        "numba_layers.py",
        "dropout not carried back",
        "                dY[i] *= factors[i]\n",
        "                dY[i] *= 1\n",
    ),
    (
        "numba_layers.py",
        "Z is not kept",
        "                z[i] = y[i]\n",
        "                z[i] = 0\n",
    ),
    ("numba_kernels.py", "clip ignored", "            if size > limit:\n", "            if size > 1e9 * limit:\n"),
    (
        "numba_layers.py",
        "t not advanced",
        "(hyper_row, np.float64(t + 1), theta,",
        "(hyper_row, np.float64(1), theta,",
    ),
    (
        "numba_kernels.py",
        "last batch skipped",
        "    for i in range(starts.size - 1):\n",
        "    for i in range(starts.size - 2):\n",
    ),
    (
        "numba_layers.py",
        "decay on biases",
        "P.B_AT]]\n            for i in range(W.size):\n                W[i] *= decay",
        "P.B_AT] + plan[layer, P.N_OUT] * plan[layer, P.BIAS]]\n            for i in range(W.size):\n                W[i] *= decay",
    ),
    (
        "numba_kernels.py",
        "stops after the update",
        "            if not np.isfinite(value):\n                return i\n",
        "",
    ),
    (
        "numba_formulas.py",
        "1 / norm is missing",
        "w = weights[i] / norm if weighted else 1 / norm\n            factor = R.dtype.type(w)\n            part = 0.0\n            r, t =",
        "w = weights[i] if weighted else 1 / norm\n            factor = R.dtype.type(w)\n            part = 0.0\n            r, t =",
    ),
    ("numba_layers.py", "dropout not rescaled", "Y.dtype.type(1 / (1 - rate))", "Y.dtype.type(1)"),
)
COMPILED = (
    ("c/activations.h", "relu'(0) = 1", "return y > 0 ? REAL(1) : REAL(0);", "return y >= 0 ? REAL(1) : REAL(0);"),
    ("c/activations.h", "relu swallows NaN", "return z < 0 ? 0 : z; }", "return z > 0 ? z : 0; }"),
    ("c/activations.h", "tanh' with the wrong sign", "return 1 - y * y;", "return 1 + y * y;"),
    ("c/losses.h", "huber's branches meet elsewhere", "p * (e - REAL(0.5) * p)", "p * (e - p)"),
    ("c/losses.h", "cross-entropy overflows", "positive - r * t + FN(softplus)(-FN(el_abs)(r));", "FN(log1p)(FN(exp)(r)) - r * t + 0 * positive;"),
    ("c/loss.h", "softmax unshifted", "e[k * n + j] = r[j * r_col] - shift;", "e[k * n + j] = r[j * r_col] - 0 * shift;"),
    ("c/loss.h", "1 / norm is missing", "const real w = weights[i] / norm;", "const real w = weights[i];"),
    ("c/loss.h", "softmax backward without coupling", "dY[j] = (dY[j] - mean) * Y[j];", "dY[j] = (dY[j] - 0 * mean) * Y[j];"),
    ("c/updates.h", "momentum's sign", "return (FN(parameter)){w + s, s, v};", "return (FN(parameter)){w - s, s, v};"),
    ("c/updates.h", "adam: eps under the root", "(FN(square_root)(v) + e)", "FN(square_root)(v + e)"),
    ("c/updates.h", "adam: eps before the correction", "hyper[FNN_EPSILON] * root;", "hyper[FNN_EPSILON];"),
    ("c/dropout.h", "nine rounds", "round < 10", "round < 9"),
    ("c/dropout.h", "not rescaled", "factor = (real)(1.0 / (1.0 - rate))", "factor = (real)1.0"),
    ("c/dropout.h", "the row does not count", "(uint32_t)(rows ? rows[i] : first + i) : 0;", "(uint32_t)i : 0;"),
    ("c/rows.h", "label off by one", "out[((const int32_t *)T)[row]] = 1;", "out[(((const int32_t *)T)[row] + 1) % n_out] = 1;"),
    ("c/rows.h", "input scale forgotten for CSR", "return x * (real)X->scale;", "return x;"),
    ("c/rows.h", "off-by-one tail of a CSR row", "if (j < n) {\n        const FN(part) lanes = FN(first)((int)(n - j));", "if (j < n - 1) {\n        const FN(part) lanes = FN(first)((int)(n - j));"),
    ("c/rows.h", "dropped bias under CSR", "y[j] = bias ? bias[j] : 0;", "y[j] = 0;"),
    ("c/rows.h", "CSR columns beyond the first tile lost", "if (column >= column_from && column < column_to)", "if (column > column_from && column < column_to)"),
    ("c/dense.h", "off-by-one tail of a dot product", "    for (; i < n; i++)\n        total += x[i * x_step] * y[i * y_step];", "    for (; i < n - 1; i++)\n        total += x[i * x_step] * y[i * y_step];"),
    ("c/dense.h", "column sums forget what was there", "vec s = accumulate ? FN(load_part)(out + j, lanes) : (vec){0};", "vec s = {0};"),
    ("c/dense.h", "tail of column sums too wide", "FN(store_part)(out + j, s, lanes);", "FN(store)(out + j, s);"),
    ("c/gemm.h", "Z after the activation", "    if (g->Z)\n        FN(copy_matrix)(rows, panel->n, C, g->c_row, 1, g->Z + i * g->z_row + panel->j * g->z_col, g->z_row, g->z_col);\n    if (g->activation)\n        FN(map_matrix)(g->activation, rows, panel->n, C, g->c_row, 1, C, g->c_row, 1);", "    if (g->activation)\n        FN(map_matrix)(g->activation, rows, panel->n, C, g->c_row, 1, C, g->c_row, 1);\n    if (g->Z)\n        FN(copy_matrix)(rows, panel->n, C, g->c_row, 1, g->Z + i * g->z_row + panel->j * g->z_col, g->z_row, g->z_col);"),
    ("c/gemm.h", "bias again with every part of k", "first && g->bias ? g->bias", "g->bias ? g->bias"),
    ("c/gemm.h", "product not accumulated", ".load = g->accumulate || !first};", ".load = !first};"),
    ("programs.pxi", "transposed product", "dZ, n_out, 1, weights_at(j, j.theta, layer), 1, n_out,", "dZ, n_out, 1, weights_at(j, j.theta, layer), n_in, 1,"),
    ("programs.pxi", "dropout not carried back", "rate_of(j, layer), dZ, dZ)", "0.0, dZ, dZ)"),
    ("programs.pxi", "t not advanced", "        j.t += 1\n", "        j.t += 0\n"),
    ("programs.pxi", "decay on biases", "a[B_AT] + tile.column, 1.0)", "a[B_AT] + tile.column, j.decay)"),
    ("programs.pxi", "clip ignored", "limit / size if size > limit else 1.0", "1.0"),
    ("programs.pxi", "clip forgets the biases", "            j.weight_sums[chunk] += j.k.sum_squares(tile.columns, db)\n", "            pass\n"),
    ("programs.pxi", "blocks not summed", "    j.accumulate = start > 0\n", "    j.accumulate = False\n"),
    ("programs.pxi", "updates before it stops", "if j.rule >= 0 and not isfinite(parts[0] + parts[1]):", "if False:"),
    ("programs.pxi", "L2 never over norm", "return l2 / j.norm if j.consts[L2_OVER_NORM] != 0 else l2", "return l2"),
    ("programs.pxi", "dX before the input scale", "if j.consts[INPUT_SCALE] != 1:", "if False:"),
    ("programs.pxi", "weights of other rows", "            j.k.take(j.weights, rows, first, m, w)\n", "            j.k.take(j.weights, NULL, 0, m, w)\n"),
    ("programs.pxi", "last batch skipped", "    for i in range(n):\n        rows = order", "    for i in range(n - 1):\n        rows = order"),
    ("surface.pxi", "directions swapped", "a, b, s.products, n_out * m, Y)", "b, a, s.products, n_out * m, Y)"),
    ("surface.pxi", "later layers stay", "j.k.plane_point(rest, a, b, s.planes, rest, theta)", "j.k.plane_point(rest, 0, 0, s.planes, rest, theta)"),
    ("surface.pxi", "last tile only", "        s.out[i] += point_loss", "        s.out[i] = point_loss"),
    ("surface.pxi", "weights of the first tile", "NULL if j.weights == NULL else j.weights + j.first * j.item, j.norm,", "j.weights, j.norm,"),
    ("c/surface.h", "log-sum without its shift", "most[i] += FN(log)(sum[i]);", "most[i] = FN(log)(sum[i]);"),
    ("cython_kernels.pyx", "first tile only", "cdef i64 row = chunk // across * p.tile_rows, column", "cdef i64 row = 0 * chunk, column"),
)  # fmt: skip

MUTANTS = (
    *(Mutant("numpy", *mutant) for mutant in FORMULAS),
    *(Mutant("numpy", "numpy_kernels.py", *mutant) for mutant in REFERENCE),
    *(Mutant("numba", *mutant) for mutant in NUMBA),
    *(Mutant("cython", *mutant) for mutant in COMPILED),
)
