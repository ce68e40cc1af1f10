"""The formulas of level 0, compiled: the Numba backend's loops around activations, losses, update rules and dropout.

The text of a formula is never repeated here.  The tables ``ACTIVATIONS``, ``LOSSES`` and ``UPDATES`` are read, every
function in them is jitted as it stands, and one function per table is generated around them: a chain of ``if code ==
...`` with one loop in each branch, so that a code is looked at once per call and never inside a loop.  A new row in a
table is therefore a new branch here, without a change to this file.

Decisions, with what was tried:

a. Generated text, not a tuple of functions: ``literal_unroll`` over jitted functions turns them into function pointers,
   which cannot be inlined, and took 1.7 s to compile where the chain takes 0.9 s; closures around jitted functions take
   longer still (each function costs about 60 ms), and no function with such a closure is found again in the cache.
b. ``FollowArguments`` gives a bare number in a formula the precision of its arguments, as NumPy does.  Numba would
   compute ``1 / (1 + exp(-z))`` in float64 from the first literal on: sigmoid 0.62 instead of 0.35 ns per element,
   Adam 0.97 instead of 0.39.
c. fastmath is "contract" (a * b + c in one rounding) for formulas.  Only sums that this file accumulates itself may be
   reassociated: within a formula that would undo the argument reduction of the polynomials.  Never nnan or ninf.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit, types
from numba.core import ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.untyped_passes import IRProcessing
from numba.extending import overload, register_jitable

from . import activations, elementary, losses
from .activations import ACTIVATIONS
from .dropout import LOW, WORD, philox
from .losses import CATEGORICAL, LOSSES
from .updates import UPDATES

PROGRAM = {"error_model": "numpy", "nogil": True, "fastmath": {"contract"}, "no_cfunc_wrapper": True}
OPTIONS = {**PROGRAM, "no_cpython_wrapper": True}
SUMS = {**OPTIONS, "fastmath": {"contract", "reassoc"}}


@register_pass(mutates_CFG=False, analysis_only=False)
class FollowArguments(FunctionPass):
    """Make the bare numbers of a function float32 where its floating-point arguments are."""

    _name = "fastnn_follow_arguments"

    def __init__(self):
        FunctionPass.__init__(self)  # abstract there

    def run_pass(self, state):
        """Replace int and float constants; say whether anything changed."""
        precisions = {t for t in state.args if isinstance(t, types.Float)}
        if precisions != {types.float32}:
            return False
        for block in state.func_ir.blocks.values():
            for assignment in block.find_insts(ir.Assign):
                value = assignment.value
                if isinstance(value, (ir.Const, ir.Global, ir.FreeVar)) and type(value.value) in (int, float):
                    assignment.value = ir.Const(np.float32(value.value), value.loc)
        return True


class FormulaCompiler(CompilerBase):
    """Numba's compiler with FollowArguments in it."""

    def define_pipelines(self):
        """Return the usual pipeline with one pass more."""
        passes = DefaultPassBuilder.define_nopython_pipeline(self.state)
        passes.add_pass_after(FollowArguments, IRProcessing)
        passes.finalize()
        return [passes]


FORMULA = {**OPTIONS, "pipeline_class": FormulaCompiler}


@overload(elementary.select)
def choose(condition, a, b):
    """Compile ``select`` to a conditional: np.where on scalars makes arrays, 120 ns each."""
    return lambda condition, a, b: a if condition else b


def compile_twin(name):
    """Let Numba compile elementary.<name>(x) to the polynomial for the precision of x."""
    twins = {bits: getattr(elementary, f"{name}_f{bits}") for bits in (32, 64)}

    def of_precision(x):
        twin = twins[x.bitwidth]
        return lambda x: twin(x)

    overload(getattr(elementary, name), jit_options=OPTIONS)(of_precision)


for scalar in elementary.SCALARS:
    register_jitable(forceinline=True, **OPTIONS)(scalar)
for name in ("exp", "expm1", "log", "log1p", "tanh", "erf"):
    compile_twin(name)
for formula in (activations.sigmoid, activations.sigmoid_df):  # called by name as well
    register_jitable(**FORMULA)(formula)
exp, log = elementary.exp, elementary.log
philox_words = njit(philox, **OPTIONS)


def chain(name, parameters, branches, options):
    """Compile ``def name(code, parameters)`` with one branch per code.

    Parameters
    ----------
    name, parameters : str
        Of the function; the first argument is always ``code``.
    branches : iterable of (int, str, dict)
        The code, the lines of its branch, and the names that they use.  A name is made unique by the code in place of
        ``#``.
    options : dict
        For njit.

    Returns
    -------
    callable
    """
    text, names = [f"def {name}(code, {parameters}):"], {"math": math, "np": np}
    for code, lines, uses in branches:
        text.append(f"    if code == {code}:")
        text += [f"        {line.replace('#', str(code))}" for line in lines.strip("\n").split("\n")]
        names.update({key.replace("#", str(code)): value for key, value in uses.items()})
    names["__name__"] = __name__
    exec("\n".join(text), names)  # only the text above and the tables of this package
    return njit(names[name], **options)


activate = chain(
    "activate",
    "y",
    (
        (a.code, "for i in range(y.size):\n    y[i] = f#(y[i])", {"f#": njit(a.f, **FORMULA)})
        for a in ACTIVATIONS
    ),
    OPTIONS,
)
"""activate(act, y): y = f(y), y flat."""

activate_backward = chain(
    "activate_backward",
    "d, yz",
    (
        (a.code, "for i in range(d.size):\n    d[i] *= d.dtype.type(df#(yz[i]))", {"df#": njit(a.df, **FORMULA)})
        for a in ACTIVATIONS
    ),
    OPTIONS,
)
"""activate_backward(act, d, yz): d = d f'(yz), both flat."""

ELEMENTWISE = """
total = 0.0
for i in range(rows):
    w = weights[i] / norm if weights.size else 1 / norm
    factor = R.dtype.type(w)
    part = 0.0
    for j in range(i * width, (i + 1) * width):
        r, t = R[j], T[j]
        part += f#(r, t, p)
        if dR.size:
            dR[j] = factor * df#(r, t, p)
    total += w * part
return total
"""
elementwise_loss = chain(
    "elementwise_loss",
    "p, R, T, weights, norm, dR, rows, width",
    (
        (loss.code, ELEMENTWISE, {"f#": njit(loss.f, **FORMULA), "df#": njit(loss.df, **FORMULA)})
        for loss in LOSSES
        if loss.code != CATEGORICAL
    ),
    SUMS,
)
categorical_f = njit(losses.categorical_cross_entropy, **FORMULA)

SLOTS = (
    "theta[i], _, _ = f#(theta[i], grad[i], a, a, a, b, c, e)",
    "theta[i], state[0, i], _ = f#(theta[i], grad[i], state[0, i], a, a, b, c, e)",
    "theta[i], state[0, i], state[1, i] = f#(theta[i], grad[i], state[0, i], state[1, i], a, b, c, e)",
)
STEP = """
q = prepare#(hyper, t)
f = theta.dtype.type
a, b, c, e = f(q[0]), f(q[1]), f(q[2]), f(q[3])
for i in range(theta.size):
    {}
"""
step = chain(
    "step",
    "hyper, t, theta, grad, state",
    (
        (
            u.code,
            STEP.format(SLOTS[u.slots]),
            {"f#": njit(u.rule, **FORMULA), "prepare#": njit(u.prepare, **OPTIONS)},
        )
        for u in UPDATES
    ),
    OPTIONS,
)
"""step(rule, hyper, t, theta, grad, state): one step of a rule on every parameter; t counts from 1."""


@njit(**SUMS)
def softmax_loss(R, T, weights, norm, dR, m, n):
    """Return the categorical cross-entropy of m rows of n, and write its gradient where dR is not empty."""
    total = 0.0
    for i in range(m):
        row = i * n
        shift, targets = R[row], T[row]
        for j in range(row + 1, row + n):
            shift = R[j] if R[j] > shift else shift
            targets += T[j]
        powers = R.dtype.type(0)
        for j in range(row, row + n):
            powers += exp(R[j] - shift)
        p = shift + log(powers)
        w = weights[i] / norm if weights.size else 1 / norm
        factor = R.dtype.type(w)
        part = 0.0
        for j in range(row, row + n):
            r, t = R[j], T[j]
            part += categorical_f(r, t, p)
            if dR.size:
                dR[j] = factor * (exp(r - p) * targets - t)
        total += w * part
    return total


@njit(**OPTIONS)
def loss_of(loss, p, R, T, weights, norm, dR, m, n):
    """Return the loss of m rows of n, all arrays flat; write its gradient where dR is not empty."""
    if loss == CATEGORICAL:
        return softmax_loss(R, T, weights, norm, dR, m, n)
    rows = m if weights.size else np.int64(1)  # without weights, all of it is one long row
    return elementwise_loss(loss, R.dtype.type(p), R, T, weights, norm, dR, rows, m * n // rows)


@njit(**OPTIONS)
def drop(Y, n, rate, key, t, layer, order, start, kept, passed):
    """Write dropout's factors of m rows of n to kept, and Y times them to passed; all flat."""
    threshold, factor = np.uint64(rate * 4294967296.0), Y.dtype.type(1 / (1 - rate))
    zero = Y.dtype.type(0)
    k0, k1 = np.uint64(key) & LOW, np.uint64(key) >> WORD
    c2, c3 = np.uint64(layer), np.uint64(t) & LOW
    for i in range(Y.size // n):
        row = order[start + i] if order.size else start + i
        c1 = np.uint64(row) & LOW
        for first in range(0, n, 4):
            words = philox_words(np.uint64(first // 4), c1, c2, c3, k0, k1)
            for u in range(min(4, n - first)):
                kept[i * n + first + u] = zero if words[u] < threshold else factor
    for i in range(Y.size):
        passed[i] = Y[i] * kept[i]
