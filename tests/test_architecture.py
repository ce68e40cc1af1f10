"""The house: imports point downward only, heavy packages stay out, and the public names are those of the design."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import types
from pathlib import Path

import pytest

import fastnn

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {"fastnn": ROOT / "fastnn", "fastnn.kernels": ROOT / "kernels"}
pytestmark = pytest.mark.skipif(not FOLDERS["fastnn"].is_dir() or not FOLDERS["fastnn.kernels"].is_dir(),
                                reason="the sources are not here")  # fmt: skip

# From the ground up: a module imports from lower floors only, or from rooms of its own package.
FLOORS: tuple[tuple[str, ...], ...] = (
    ("fastnn.kernels", "fastnn.kernels.elementary", "fastnn.kernels.dropout", "fastnn.kernels.updates"),  # L0
    ("fastnn.kernels.normal",),
    ("fastnn.kernels.activations", "fastnn.kernels.losses"),
    ("fastnn.kernels.plan",),
    ("fastnn.kernels.table",),  # L1
    ("fastnn.kernels.numpy_kernels",),  # L2
    ("fastnn.kernels.numba_cache",),
    ("fastnn.kernels.numba_formulas",),
    ("fastnn.kernels.numba_layers",),
    ("fastnn.kernels.numba_kernels", "fastnn.kernels.cython_kernels"),
    ("fastnn.errors", "fastnn._version"),  # L3
    ("fastnn.checks",),
    ("fastnn.arrays", "fastnn.schedules"),
    ("fastnn.targets", "fastnn.initializers", "fastnn.optimizers", "fastnn.backends", "fastnn.parameters",
     "fastnn.shuffling"),
    ("fastnn.model",),
    ("fastnn.callbacks", "fastnn.functional", "fastnn.predictor", "fastnn.io"),  # L4
    ("fastnn.engine",),
    ("fastnn.trainer", "fastnn.gradients"),
    ("fastnn.conversion",),
    ("fastnn.network", "fastnn.datasets"),  # L5
    ("fastnn.plot",),
    ("fastnn.estimators.solvers", "fastnn.estimators.printed", "fastnn.estimators.threads",
     "fastnn.estimators.documents", "fastnn.estimators.fast", "fastnn.estimators.labels", "fastnn.course",
     "fastnn.landscape"),
    ("fastnn.estimators.draws", "fastnn.estimators.checked"),
    ("fastnn.estimators.parameters", "fastnn.estimators.lbfgs", "fastnn.estimators.stochastic"),
    ("fastnn.estimators.theirs",),
    ("fastnn.estimators.base",),
    ("fastnn.estimators.classifier", "fastnn.estimators.regressor"),
    ("fastnn.estimators.patch",),
    ("fastnn.estimators.convert",),
    ("fastnn.estimators.pipeline",),
    ("fastnn.estimators",),
    ("fastnn.cli",),
    ("fastnn", "fastnn.__main__"),  # L6
)
FLOOR = {name: floor for floor, names in enumerate(FLOORS) for name in names}
HEAVY = {"numba", "llvmlite", "scipy", "sklearn", "matplotlib", "pandas", "tqdm", "safetensors", "h5py", "plotly",
         "networkx", "joblib", "threadpoolctl"}  # fmt: skip
MAY_BE_HEAVY = re.compile(r"fastnn\.kernels\.numba_\w+|fastnn\.(estimators|plot|landscape)(\.\w+)*")
LINES = 450
LONGER = {"kernels/elementary.py": 650}  # one table of formulas, each in two precisions


def modules():
    """Yield (dotted name, path) of every module."""
    for package, folder in FOLDERS.items():
        for path in sorted(folder.rglob("*.py")):
            rooms = [part for part in path.relative_to(folder).with_suffix("").parts if part != "__init__"]
            yield ".".join([package, *rooms]), path


MODULES = dict(modules())


def is_package(name):
    return MODULES[name].name == "__init__.py"


def resolve(module, node):
    """Return the dotted names that an import statement names."""
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    base = node.module or ""
    if node.level:
        parts = module.split(".")
        parts = parts[: len(parts) - node.level + (1 if is_package(module) else 0)]
        base = ".".join([*parts, base] if base else parts)
    inner = [f"{base}.{alias.name}" for alias in node.names]
    known = [name for name in inner if name in MODULES or name in FLOOR]
    return known if len(known) == len(inner) else [base, *known]


def imports(module):
    """Yield (imported name, line, whether at module level) of every import, those for type checkers left out."""
    tree = ast.parse(MODULES[module].read_text())
    typing = {
        id(inner) for node in ast.walk(tree) if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for inner in ast.walk(node)
    }  # fmt: skip
    within = {
        id(inner) for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
        for inner in ast.walk(node)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)) and id(node) not in typing:
            for name in resolve(module, node):
                yield name, node.lineno, id(node) not in within


def floor_of(name):
    """Return the floor of a module or of the package whose room it is."""
    while name not in FLOOR:
        name = name.rpartition(".")[0]
        assert name not in ("", "fastnn", "fastnn.kernels"), "a module without a floor: give it one in FLOORS"
    return name, FLOOR[name]


def uphill(module, imported):
    """Return whether an import within fastnn points up or sideways."""
    own, own_floor = floor_of(module)
    other, other_floor = floor_of(imported)
    return own != other and other_floor >= own_floor


@pytest.mark.parametrize("module", MODULES)
def test_every_module_has_a_floor(module):
    assert floor_of(module)[1] >= 0


@pytest.mark.parametrize("module", MODULES)
def test_imports_point_downward(module):
    wrong = []
    for name, line, _ in imports(module):
        if name == "fastnn" or name.startswith("fastnn."):
            if module.startswith("fastnn.kernels") and not name.startswith("fastnn.kernels"):
                wrong.append(f"line {line}: the kernels import {name}")
            elif uphill(module, name):
                wrong.append(f"line {line}: {module} imports {name}")
    assert not wrong


def test_the_rule_can_fail():
    assert uphill("fastnn.model", "fastnn.network")
    assert uphill("fastnn.arrays", "fastnn.schedules")
    assert uphill("fastnn.kernels.losses", "fastnn.kernels.table")
    assert not uphill("fastnn.network", "fastnn.model")
    assert not uphill("fastnn.functional.losses", "fastnn.functional.inputs")
    assert "fastnn.model" in {name for name, _, _ in imports("fastnn.network")} | {
        name for name, _, _ in imports("fastnn.gradients")
    }
    assert "fastnn.kernels.plan" in {name for name, _, _ in imports("fastnn.model")}


@pytest.mark.parametrize("module", [name for name in MODULES if name.startswith("fastnn.kernels")])
def test_kernels_import_each_other_relatively(module):
    text = MODULES[module].read_text()
    absolute = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) and not node.level]
    names = [node.module for node in absolute] + [name for name, _, _ in imports(module)]
    assert not [name for name in names if name == "fastnn" or name.startswith("fastnn.network")]
    assert not [node.module for node in absolute if node.module.split(".")[0] == "fastnn"]


def test_the_cython_sources_look_down_too():
    sources = sorted(FOLDERS["fastnn.kernels"].glob("*.py[xd]")) + sorted(FOLDERS["fastnn.kernels"].glob("*.pxi"))
    assert sources
    for path in sources:
        text = path.read_text()
        assert not re.search(r"^\s*(c?import|from) +fastnn", text, re.MULTILINE), path.name
        for name in re.findall(r"^\s*from \.(\w+) c?import", text, re.MULTILINE):
            assert not uphill("fastnn.kernels.cython_kernels", f"fastnn.kernels.{name}"), path.name


@pytest.mark.parametrize("module", MODULES)
def test_heavy_packages_are_imported_where_they_are_needed(module):
    found = {name.split(".")[0] for name, _, top in imports(module) if top} & HEAVY
    assert not found or MAY_BE_HEAVY.fullmatch(module), f"{module} imports {found} at module level"


@pytest.mark.parametrize("module", MODULES)
def test_files_are_short(module):
    path = MODULES[module]
    name = f"{'kernels' if module.startswith('fastnn.kernels') else 'fastnn'}/{path.name}"
    lines, limit = len(path.read_text().splitlines()), LONGER.get(name, LINES)
    assert lines <= limit


# ---- public names

EMPTY = inspect.Parameter.empty
SIGNATURES = {
    "Network.__init__": "self, sizes, *, output, activation='relu', loss=None, bias=True, init=None, dtype='float32', "
    "seed=None",
    "Network.fit": "self, X, y, *, epochs=10, batch_size=32, optimizer='adam', l2=0.0, clip_norm=None, "
    "validation_data=None, sample_weight=None, class_weight=None, shuffle=True, callbacks=(), "
    "progress=None, backend=None, num_threads=None, seed=None",
    "Network.predict": "self, X, *, out=None, num_threads=None",
    "Network.classify": "self, X",
    "Network.evaluate": "self, X, y, sample_weight=None",
    "Network.forward": "self, X",
    "Network.loss_grad": "self, X, y, *, theta=None, sample_weight=None",
    "Network.backward": "self, X, dY",
    "Network.input_gradient": "self, X, output=None",
    "Network.jacobian": "self, X",
    "Network.trainer": "self, optimizer='adam', l2=0.0, clip_norm=None",
    "Network.copy": "self",
    "Network.soft_update": "self, other, tau",
    "Network.from_weights": "weights, biases, *, output, activation='relu'",
    "Network.describe": "self",
    "Network.save": "self, path",
    "Network.predictor": "self",
    "load": "path",
    "Trainer.step": "self, X, y, sample_weight=None",
    "Trainer.apply_gradient": "self, g",
    "Predictor.__call__": "self, x, out=None",
    "Predictor.update": "self, network",
    "EarlyStopping.__init__": "self, patience, min_delta=0.0, monitor='val_loss', restore_best=True",
    "TimeLimit.__init__": "self, seconds",
    "Checkpoints.__init__": "self, every=1",
    "SGD.__init__": "self, learning_rate=0.01, momentum=0.0, nesterov=False, weight_decay=0.0",
    "Adam.__init__": "self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08",
    "AdamW.__init__": "self, learning_rate=0.001, beta_1=0.9, beta_2=0.999, epsilon=1e-08, weight_decay=0.01",
    "RMSprop.__init__": "self, learning_rate=0.001",
    "available_backends": "",
    "get_backend": "",
    "set_backend": "name",
    "use_backend": "name",
    "set_num_threads": "n",
    "get_num_threads": "",
    "show_config": "",
    "functional.dot": "x, y",
    "functional.matmul": "A, B, out=None",
    "functional.softmax": "x, out=None",
    "functional.relu": "x, out=None",
    "functional.relu_grad": "z",
    "functional.squared_error": "R, T, reduction='mean'",
    "functional.binary_cross_entropy_with_logits": "R, T, reduction='mean'",
    "functional.softmax_cross_entropy_with_logits": "R, T, reduction='mean'",
    "datasets.load_digits": "size=28",
}
NAMES = (
    "schedules.Step", "schedules.Exponential", "schedules.Cosine", "schedules.OneCycle", "schedules.InverseScaling",
    "FastNNError", "DivergenceError", "ModelFileError", "MissingDependencyError", "__version__", "History", "FitState",
    "datasets.load_mnist", "datasets.load_housing", "datasets.load_catvnoncat", "functional.dense_forward",
    "functional.dense_backward", "Network.theta", "Network.weights", "Network.biases", "Network.n_parameters",
    "History.epochs",
)  # fmt: skip


def find(name):
    found = fastnn
    for part in name.split("."):
        found = getattr(found, part)
    return found


def promised(text):
    """Return [(name, default, keyword only)] of a signature written as in the design."""
    arguments = ast.parse(f"def f({text}): pass").body[0].args
    positional = [(a.arg, False) for a in arguments.args]
    defaults = [EMPTY] * (len(positional) - len(arguments.defaults)) + [ast.literal_eval(d) for d in arguments.defaults]
    keywords = [(a.arg, True) for a in arguments.kwonlyargs]
    defaults += [EMPTY if d is None else ast.literal_eval(d) for d in arguments.kw_defaults]
    return [(name, default, keyword) for (name, keyword), default in zip(positional + keywords, defaults, strict=True)]


@pytest.mark.parametrize("name", SIGNATURES)
def test_signatures_of_the_design(name):
    """What is promised is there, in order; what was added is a keyword with a default."""
    parameters = list(inspect.signature(find(name)).parameters.values())
    if name.endswith("__init__") and parameters[0].name != "self":
        parameters.insert(0, inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD))
    found = [(p.name, p.default, p.kind is p.KEYWORD_ONLY) for p in parameters]
    wanted = promised(SIGNATURES[name])
    assert [entry for entry in found if entry in wanted] == wanted
    added = [entry for entry in found if entry not in wanted]
    assert all(default is not EMPTY for _, default, _ in added)
    positional = [entry for entry in found if not entry[2]]
    assert positional[: len([w for w in wanted if not w[2]])] == [w for w in wanted if not w[2]]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_the_design(name):
    assert find(name) is not None


@pytest.mark.parametrize("module", [name for name in MODULES if not name.startswith("fastnn.kernels")
                                    and name != "fastnn.__main__"])  # fmt: skip
def test_everything_public_has_a_docstring(module):
    found = importlib.import_module(module)
    missing = [] if found.__doc__ else [module]
    for name, thing in vars(found).items():
        own = getattr(thing, "__module__", None) == module and not name.startswith("_")
        if not own or not isinstance(thing, (type, types.FunctionType)):
            continue
        if not thing.__doc__:
            missing.append(name)
        if isinstance(thing, type):
            missing += [
                f"{name}.{inner}" for inner, method in vars(thing).items()
                if not inner.startswith("_") and isinstance(method, (types.FunctionType, property, classmethod))
                and not inspect.getdoc(getattr(thing, inner))
            ]  # fmt: skip
    assert not missing
