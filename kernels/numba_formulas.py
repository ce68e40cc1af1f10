"""The formulas of level 0, compiled: one small function per formula with a loop around it.

The text of a formula is never repeated here.  The tables ``ACTIVATIONS``, ``LOSSES``, ``LINKS`` and ``UPDATES`` say
which loops there are, and each loop jits the formula's own function.  A loop is compiled when a network first needs it;
programs find its address in a table by kind and code, once per layer and piece of a batch, and call it: ``run``.  A new
row in a table is therefore a new loop, without a change to this file.

Decisions, with what was tried:

a. A table of addresses, as the compiled backend has one, and not a function with a branch per code: Numba optimises
   what a function calls once more in each caller, so every program carried every formula, and train alone took 19 s to
   compile.  Tuples of functions (``literal_unroll``) and closures around jitted functions compile longer still.
b. ``FollowArguments`` gives a bare number in a formula the precision of its arguments, as NumPy does.  Numba would
   compute ``1 / (1 + exp(-z))`` in float64 from the first literal on: sigmoid 0.62 instead of 0.35 ns per element,
   Adam 0.97 instead of 0.39.
c. fastmath is "contract" (a * b + c in one rounding) for formulas.  Only sums that a loop accumulates itself may be
   reassociated: within a formula that would undo the argument reduction of the polynomials.  Never nnan or ninf.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from llvmlite import ir as llvm
from numba import carray, config, njit, types
from numba.core import cgutils, ir
from numba.core.compiler import CompilerBase, DefaultPassBuilder
from numba.core.compiler_machinery import FunctionPass, register_pass
from numba.core.untyped_passes import IRProcessing
from numba.extending import intrinsic, overload, register_jitable

from . import activations, elementary, normal
from .activations import ACTIVATIONS
from .elementary import FUNCTIONS
from .losses import CATEGORICAL, LINKS, LOSSES
from .numba_cache import compile_loop
from .updates import N_HYPER, UPDATES

PROGRAM = {"error_model": "numpy", "nogil": True, "fastmath": {"contract"}, "no_cfunc_wrapper": True}
OPTIONS = {**PROGRAM, "no_cpython_wrapper": True}
LOOP, SUMS = {"contract"}, {"contract", "reassoc"}


# ---- formulas


@register_pass(mutates_CFG=False, analysis_only=False)
class FollowArguments(FunctionPass):
    """Make the bare numbers of a function float32 where its floating-point arguments are."""

    _name = "fastnn_follow_arguments"

    def __init__(self):
        FunctionPass.__init__(self)  # abstract there

    def run_pass(self, state):
        """Replace int and float constants; say whether anything changed."""
        if {t for t in state.args if isinstance(t, types.Float)} != {types.float32}:
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


def jit_formula(function):
    """Return a formula to be inlined in its loop, whatever its length: a loop around a call is not vectorised."""
    return njit(function, pipeline_class=FormulaCompiler, forceinline=True, **OPTIONS)


@overload(elementary.select)
def choose(condition, a, b):
    """Compile ``select`` to a conditional: np.where on scalars makes arrays, 120 ns each."""
    return lambda condition, a, b: a if condition else b


def compile_twin(room, name):
    """Let Numba compile <room>.<name>(x) to the polynomial for the precision of x."""
    twins = {bits: getattr(room, f"{name}_f{bits}") for bits in (32, 64)}

    def of_precision(x):
        twin = twins[x.bitwidth]
        return lambda x: twin(x)

    overload(getattr(room, name), jit_options={**OPTIONS, "forceinline": True})(of_precision)


for scalar in (*elementary.SCALARS, *normal.SCALARS):
    register_jitable(forceinline=True, **OPTIONS)(scalar)
for name in ("exp", "expm1", "log", "log1p", "tanh", "erf"):
    compile_twin(elementary, name)
compile_twin(normal, "normal_cdf")
called_by_others = register_jitable(pipeline_class=FormulaCompiler, forceinline=True, **OPTIONS)
called_by_others(activations.sigmoid)
exp, log = elementary.exp, elementary.log


# ---- calls by address


@intrinsic
def call_address(typing_context, address, arguments):
    """Call the C function at an address: arrays as pointers to their first element, numbers as int64 or float64."""

    def generate(context, builder, signature, values):
        passed = []
        for kind, value in zip(signature.args[1], cgutils.unpack_tuple(builder, values[1]), strict=True):
            if isinstance(kind, types.Array):
                passed.append(context.make_array(kind)(context, builder, value).data)
            else:
                wide = types.float64 if isinstance(kind, types.Float) else types.int64
                passed.append(context.cast(builder, value, kind, wide))
        function = llvm.FunctionType(llvm.DoubleType(), [value.type for value in passed])
        return builder.call(builder.inttoptr(values[0], function.as_pointer()), passed)

    return types.float64(address, arguments), generate


def run(address, arguments):
    """Call a loop by its entry in the table of addresses."""
    return LOOPS[address - 1].function(*arguments)  # without compilation an address is an index


@overload(run)
def run_compiled(address, arguments):
    return lambda address, arguments: call_address(address, arguments)


def array(pointer, shape):
    """Return the array at a pointer; without compilation the array itself is passed."""
    return pointer


@overload(array)
def array_at_pointer(pointer, shape):
    return lambda pointer, shape: carray(pointer, shape)


# ---- loops.  All arrays are flat; the names of the parameters fix their types, see numba_cache.compile_loop.


def activate(f):
    """Return the loop y = f(y)."""

    def loop(y, n):
        y = array(y, (n,))
        for i in range(n):
            y[i] = f(y[i])
        return 0.0

    return loop


def activate_backward(df):
    """Return the loop d = d f'(yz)."""

    def loop(d, yz, n):
        d, yz = array(d, (n,)), array(yz, (n,))
        for i in range(n):
            d[i] *= d.dtype.type(df(yz[i]))
        return 0.0

    return loop


def elementwise_loss(f, df, narrow):
    """Return the loop for a loss whose elements are independent.

    It returns the loss of m rows of n, and writes the gradient to dR where that is ``wanted``.  Weighted rows of fewer
    than ``narrow`` elements are no rows to vectorise, so all elements are one, each of which looks up its row's weight:
    2 to 6 times as fast for up to 7 elements, and up to 64 where the formula is as long as softplus.
    """

    def loop(p, R, T, weights, weighted, norm, dR, wanted, m, n):
        R, T, weights, dR = array(R, (m * n,)), array(T, (m * n,)), array(weights, (m,)), array(dR, (m * n,))
        p = R.dtype.type(p)
        if weighted and n < narrow:
            total, part, scale = 0.0, 1.0 / n, 1.0 / norm
            for k in range(m * n):
                total += weights[np.uint64((k + 0.5) * part)] * np.float64(f(R[k], T[k], p))
            if wanted:
                for k in range(m * n):
                    dR[k] = R.dtype.type(weights[np.uint64((k + 0.5) * part)] * scale) * df(R[k], T[k], p)
            return total * scale
        rows = m if weighted else 1  # without weights all of it is one long row
        width = m * n // rows
        total = 0.0
        for i in range(rows):
            w = weights[i] / norm if weighted else 1 / norm
            factor = R.dtype.type(w)
            part = 0.0
            r, t = R[i * width : (i + 1) * width], T[i * width : (i + 1) * width]
            for j in range(width):
                part += f(r[j], t[j], p)
            if wanted:  # after the value: dR may be R
                d = dR[i * width : (i + 1) * width]
                for j in range(width):
                    d[j] = factor * df(r[j], t[j], p)
            total += w * part
        return total

    return loop


def softmax_loss(f):
    """Return the loop for the categorical cross-entropy, whose p is the row's log-sum-exp."""

    def loop(p, R, T, weights, weighted, norm, dR, wanted, m, n):
        R, T, weights, dR = array(R, (m * n,)), array(T, (m * n,)), array(weights, (m,)), array(dR, (m * n,))
        total = 0.0
        for i in range(m):
            r, t = R[i * n : (i + 1) * n], T[i * n : (i + 1) * n]
            shift = r[0]
            targets, powers = R.dtype.type(0), R.dtype.type(0)
            for j in range(n):
                shift = r[j] if r[j] > shift else shift
                targets += t[j]
            for j in range(n):
                powers += exp(r[j] - shift)
            log_sum = shift + log(powers)
            w = weights[i] / norm if weighted else 1 / norm
            factor = R.dtype.type(w)
            part = 0.0
            lowest = log_sum + R.dtype.type(p)  # where p cuts what is reported
            for j in range(n):
                part += f(lowest if p < 0 and r[j] < lowest else r[j], t[j], log_sum)
            if wanted:  # after the value: dR may be R
                d = dR[i * n : (i + 1) * n]
                for j in range(n):
                    d[j] = factor * (exp(r[j] - log_sum) * targets - t[j])
            total += w * part
        return total

    return loop


def step(rule, prepare, slots):
    """Return the loop for one step of an update rule; t counts from 1."""

    def loop_0(hyper, t, theta, grad, state, n):
        theta, grad = array(theta, (n,)), array(grad, (n,))
        real, q = theta.dtype.type, prepare(array(hyper, (N_HYPER,)), t)
        a, b, c, e = real(q[0]), real(q[1]), real(q[2]), real(q[3])
        for i in range(n):
            theta[i], _, _ = rule(theta[i], grad[i], a, a, a, b, c, e)
        return 0.0

    def loop_1(hyper, t, theta, grad, state, n):
        theta, grad, state = array(theta, (n,)), array(grad, (n,)), array(state, (1, n))
        real, q = theta.dtype.type, prepare(array(hyper, (N_HYPER,)), t)
        a, b, c, e = real(q[0]), real(q[1]), real(q[2]), real(q[3])
        s = state[0]
        for i in range(n):
            theta[i], s[i], _ = rule(theta[i], grad[i], s[i], a, a, b, c, e)
        return 0.0

    def loop_2(hyper, t, theta, grad, state, n):
        theta, grad, state = array(theta, (n,)), array(grad, (n,)), array(state, (2, n))
        real, q = theta.dtype.type, prepare(array(hyper, (N_HYPER,)), t)
        a, b, c, e = real(q[0]), real(q[1]), real(q[2]), real(q[3])
        s, v = state[0], state[1]
        for i in range(n):
            theta[i], s[i], v[i] = rule(theta[i], grad[i], s[i], v[i], a, b, c, e)
        return 0.0

    return (loop_0, loop_1, loop_2)[slots]


def link_identity(y, m, n):
    return 0.0


def link_softmax(y, m, n):
    y = array(y, (m * n,))
    for i in range(m):
        row = y[i * n : (i + 1) * n]
        shift, total = row[0], y.dtype.type(0)
        for j in range(n):
            shift = row[j] if row[j] > shift else shift
        for j in range(n):
            row[j] = exp(row[j] - shift)
            total += row[j]
        for j in range(n):
            row[j] /= total
    return 0.0


def link_elementwise(f):
    def loop(y, m, n):
        y = array(y, (m * n,))
        for i in range(m * n):
            y[i] = f(y[i])
        return 0.0

    return loop


class Loop(NamedTuple):
    """A loop before it is compiled: a name of its own, the function, and what it may do to floating-point sums."""

    name: str
    function: Callable[..., float]
    fastmath: set[str]


def all_loops():
    """Return the loops in the order of their kinds below, each kind in the order of its codes."""
    loops = [Loop(f"activate_{a.name}", activate(jit_formula(a.f)), LOOP) for a in ACTIVATIONS]
    loops += [Loop(f"backward_{a.name}", activate_backward(jit_formula(a.df)), LOOP) for a in ACTIVATIONS]
    for loss in LOSSES:
        f, df = jit_formula(loss.f), jit_formula(loss.df)
        narrow = 64 if loss.link == "sigmoid" else 8
        loop = softmax_loss(f) if loss.code == CATEGORICAL else elementwise_loss(f, df, narrow)
        loops.append(Loop(f"loss_{loss.name}", loop, SUMS))
    of_link = {
        "identity": link_identity,
        "softmax": link_softmax,
        "sigmoid": link_elementwise(jit_formula(activations.sigmoid)),
        "exp": link_elementwise(exp),
    }
    loops += [Loop(f"link_{link.name}", of_link[link.name], SUMS) for link in LINKS]
    for rule in UPDATES:
        loop = step(jit_formula(rule.rule), njit(rule.prepare, **OPTIONS), rule.slots)
        loops.append(Loop(f"step_{rule.name}", loop, LOOP))
    loops += [Loop(f"function_{function.name}", activate(function.f), LOOP) for function in FUNCTIONS]
    return loops


LOOPS = all_loops()
ACTIVATE = 0  # where in the table of addresses each kind begins; the code is added
BACKWARD = ACTIVATE + len(ACTIVATIONS)
LOSS = BACKWARD + len(ACTIVATIONS)
LINK = LOSS + len(LOSSES)
STEP = LINK + len(LINKS)
FUNCTION = STEP + len(UPDATES)


class Addresses(dict):
    """The table of addresses for each dtype's char; 0 where a loop is not compiled yet."""

    def __missing__(self, char):
        table = self[char] = np.zeros(len(LOOPS), np.int64)
        return table

    def of(self, char, needed):
        """Return the table with the needed entries filled in.  Two threads here at once do no harm."""
        table = self[char]
        for index in needed:
            if not table[index]:
                table[index] = index + 1 if config.DISABLE_JIT else compile_loop(LOOPS[index], char)
        return table


ADDRESSES = Addresses()
