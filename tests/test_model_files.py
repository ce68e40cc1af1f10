"""Model files: round trips, and every way for a file to be wrong: ModelFileError, quickly, and nothing else."""

from __future__ import annotations

import json
import os
import pickle
import time
import tracemalloc

import numpy as np
import pytest
from kernels_common import same_bits
from network_common import blobs

import fastnn
from fastnn import ModelFileError, Network, io

NETWORKS = {
    "digits": {"sizes": [8, 5, 3], "output": "softmax", "activation": "sigmoid"},
    "single layer": {"sizes": [2, 1], "output": "sigmoid"},
    "no bias": {"sizes": [3, 4, 2], "output": "identity", "bias": False},
    "float64, huber": {"sizes": [3, 4, 2], "output": "identity", "loss": {"huber": 0.3}, "dtype": "float64"},
    "quantile": {"sizes": [3, 1], "output": "identity", "loss": {"quantile": 0.9}},
    "mixed": {"sizes": [3, 4, 5, 2], "output": "tanh", "activation": ["gelu", "silu"], "loss": "absolute_error"},
    "poisson": {"sizes": [3, 2, 1], "output": "exp", "activation": "softplus"},
    "scaled": {"sizes": [3, 2], "output": "softmax", "input_scale": 1 / 255},
    "big seed": {"sizes": [3, 2], "output": "softmax", "seed": 2**127 + 5},
    "deep": {"sizes": [2] * 40, "output": "identity"},
}


@pytest.fixture(scope="module")
def valid(tmp_path_factory):
    """Return the bytes of a valid file."""
    path = tmp_path_factory.mktemp("models") / "net.safetensors"
    Network([3, 2, 2], output="softmax", seed=0).save(path)
    return path.read_bytes()


@pytest.fixture
def load_bytes(tmp_path):
    """Return a function that loads bytes as a file."""
    path = tmp_path / "given.safetensors"

    def load(data):
        path.write_bytes(data)
        return fastnn.load(path)

    return load


def parts(data):
    """Return (header as a dict, tensor bytes)."""
    length = int.from_bytes(data[:8], "little")
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def entries_of(header):
    """Return what fastnn wrote beside the tensors: one JSON text."""
    return json.loads(header["__metadata__"]["fastnn"])


def rebuilt(header, tensors):
    text = json.dumps(header).encode() if isinstance(header, dict) else header
    return len(text).to_bytes(8, "little") + text + tensors


def with_config(data, **changes):
    header, tensors = parts(data)
    config = json.loads(entries_of(header)["config"])
    config = {name: value for name, value in {**config, **changes}.items() if value is not ...}
    return with_metadata(data, config=json.dumps(config))


def with_metadata(data, **changes):
    header, tensors = parts(data)
    header["__metadata__"]["fastnn"] = json.dumps({**entries_of(header), **changes})
    return rebuilt(header, tensors)


# ---- round trips


@pytest.mark.parametrize("name", NETWORKS)
def test_round_trip(name, tmp_path):
    net = Network(**{"seed": 3, "init": {"normal": 0.5, "bias": 0.5}, **NETWORKS[name]})
    path = tmp_path / "net.safetensors"
    net.save(path)
    made = fastnn.load(str(path))
    assert type(made) is Network
    assert made.config() == net.config()
    assert same_bits(made.theta, net.theta)
    X = np.random.default_rng(0).normal(size=(5, net.sizes[0]))
    assert same_bits(made.predict(X), net.predict(X))
    assert all(np.shares_memory(W, made.theta) for W in made.weights)
    made.save(path)
    assert same_bits(fastnn.load(path).theta, net.theta)


def test_the_generator_goes_on(tmp_path):
    X, y = blobs()
    net = Network([5, 4, 3], output="softmax", seed=0)
    net.fit(X, y, epochs=1)
    net.rng.integers(2**16, dtype=np.uint32)  # half of a draw is kept for the next
    net.save(tmp_path / "net")
    made = fastnn.load(tmp_path / "net")
    assert made.rng.bit_generator.state == net.rng.bit_generator.state
    for each in (net, made):
        each.fit(X, y, epochs=2, dropout=0.2)
    assert same_bits(made.theta, net.theta)


def test_files_without_a_generator(tmp_path):
    net = Network([3, 2], output="softmax", seed=7)
    net.rng = np.random.Generator(np.random.MT19937(0))
    net.save(tmp_path / "net")
    header, _ = parts((tmp_path / "net").read_bytes())
    assert "generator" not in entries_of(header)
    made = fastnn.load(tmp_path / "net")
    assert same_bits(made.theta, net.theta)
    assert made.seed == 7


def test_multilabel_is_kept(tmp_path):
    X, y = blobs()
    net = Network([5, 3], output="sigmoid", seed=0)
    net.fit(X, np.eye(3)[y], epochs=1)
    net.save(tmp_path / "net.safetensors")
    assert fastnn.load(tmp_path / "net.safetensors").classify(X).shape == (200, 3)


def test_others_can_read_the_tensors(tmp_path):
    from safetensors import safe_open

    net = Network([3, 4, 2], output="softmax", seed=0)
    net.save(tmp_path / "net.safetensors")
    with safe_open(tmp_path / "net.safetensors", "np") as file:
        assert set(file.keys()) == {"W1", "b1", "W2", "b2"}
        assert same_bits(file.get_tensor("W2"), np.ascontiguousarray(net.weights[1]))
        entries = json.loads(file.metadata()["fastnn"])
        assert (entries["format"], entries["format_version"]) == ("fastnn", "2")
        assert json.loads(entries["config"])["sizes"] == [3, 4, 2]


def test_files_of_version_1_load(valid, load_bytes):
    """There each entry stood by itself."""
    header, tensors = parts(valid)
    header["__metadata__"] = {**entries_of(header), "format_version": "1"}
    assert len(header["__metadata__"]) == 5
    made, now = load_bytes(rebuilt(header, tensors)), load_bytes(valid)
    assert same_bits(made.theta, now.theta)
    assert made.config() == now.config()
    assert made.rng.bit_generator.state == now.rng.bit_generator.state


def test_equal_networks_give_equal_files(tmp_path):
    made = set()
    for i in range(20):
        Network([3, 4, 2], output="softmax", seed=0).save(tmp_path / f"{i}")
        made.add((tmp_path / f"{i}").read_bytes())
    assert len(made) == 1


@pytest.mark.parametrize("place", ["missing/net.safetensors", "file/net.safetensors", "folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, place):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match=place) as caught:
        Network([3, 2], output="softmax", seed=0).save(tmp_path / place)
    assert caught.value.filename == str(tmp_path / place)
    assert ".part" not in str(caught.value)
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder"}


def test_permissions_are_the_usual(tmp_path):
    Network([3, 2], output="softmax", seed=0).save(tmp_path / "net")
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "net").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_long_names(tmp_path):
    path = tmp_path / ("n" * 250)
    net = Network([3, 2], output="softmax", seed=0)
    net.save(path)
    assert same_bits(fastnn.load(path).theta, net.theta)


# ---- damaged files


def test_every_prefix_is_refused(valid, load_bytes):
    assert same_bits(load_bytes(valid).theta, Network([3, 2, 2], output="softmax", seed=0).theta)
    for length in range(len(valid)):
        with pytest.raises(ModelFileError, match="not a model file that can be loaded"):
            load_bytes(valid[:length])


@pytest.mark.parametrize("extra", [b"\0", b"more", b"\0" * 4096])
def test_bytes_after_the_end_are_refused(valid, load_bytes, extra):
    with pytest.raises(ModelFileError, match="tensors take"):
        load_bytes(valid + extra)


@pytest.mark.parametrize("flip", [0x01, 0x20, 0x80, 0xFF])
def test_every_flipped_byte(valid, load_bytes, flip):
    """Each is refused, or the network is whole: other numbers, or another name, seed or the like in the header."""
    header_end = len(valid) - len(parts(valid)[1])
    refused = 0
    for at in range(len(valid)):
        data = bytearray(valid)
        data[at] ^= flip
        try:
            net = load_bytes(bytes(data))
        except ModelFileError:
            refused += 1
            continue
        assert np.isfinite(net.theta).all()
        assert net.theta.size == 3 * 2 + 2 + 2 * 2 + 2
        assert np.isfinite(net.predict(np.ones((1, 3)))).all()
        if at >= header_end:
            plain = np.frombuffer(bytes(data[header_end:]), np.float32)
            assert sorted(net.theta.tolist()) == sorted(plain.tolist())
    assert refused > 0.8 * header_end


CONFIGS = [
    ({"sizes": [3, 2, 3]}, "tensors take 56 bytes; sizes .3, 2, 3. need 68"),
    ({"sizes": [2, 3, 2]}, "tensors take"),
    ({"sizes": [6, 2]}, "it has tensors .*expected"),
    ({"sizes": [3]}, "sizes = .3."),
    ({"sizes": [3, 0, 2]}, "sizes"),
    ({"sizes": [3, 2.0, 2]}, "sizes"),
    ({"sizes": [3, True, 2]}, "sizes"),
    ({"sizes": [3, -2, 2]}, "sizes"),
    ({"sizes": "322"}, "sizes = '322'"),
    ({"sizes": [2**62, 2**62]}, "tensors take"),
    ({"sizes": [10**9, 10**9, 10]}, "tensors take"),
    ({"sizes": [1] * 100_000}, "tensors take"),
    ({"activation": ["rleu"]}, "unknown activation 'rleu'"),
    ({"activation": ["relu", "relu"]}, "activation must be one value or one per hidden layer"),
    ({"activation": [["relu"]]}, "activation must be one of"),
    ({"activation": "relu"}, "activation = 'relu'"),
    ({"output": "softmin"}, "unknown output"),
    ({"output": None}, "output = None"),
    ({"loss": "mse"}, "do not go together"),
    ({"loss": {"huber": 1, "quantile": 1}}, "loss as a dict"),
    ({"loss": {"categorical_cross_entropy": [1]}}, "no parameter"),
    ({"bias": 1}, "bias = 1"),
    ({"bias": False}, "tensors take"),
    ({"dtype": "float64"}, "tensors take"),
    ({"dtype": "float16"}, "dtype = 'float16'"),
    ({"dtype": "O"}, "dtype = 'O'"),
    ({"seed": -1}, "seed must be at least 0"),
    ({"seed": "0"}, "seed = '0'"),
    ({"seed": True}, "seed = True"),
    ({"seed": None}, "seed = None"),
    ({"input_scale": float("nan")}, "input_scale must be a finite number"),
    ({"input_scale": 0}, "input_scale"),
    ({"input_scale": 10**400}, "input_scale"),
    ({"input_scale": "1"}, "input_scale"),
    ({"multilabel": 0}, "multilabel = 0"),
    ({"extra": 1}, "exactly the entries"),
    ({"seed": ...}, "exactly the entries"),
]


@pytest.mark.parametrize(("changes", "words"), CONFIGS, ids=[f"{i}" for i in range(len(CONFIGS))])
def test_wrong_configurations(valid, load_bytes, changes, words):
    data = with_config(valid, **changes)
    began = time.perf_counter()
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=words):
            load_bytes(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 100e6
    assert time.perf_counter() - began < 5


GENERATORS = [
    {"state": {"state": -1, "inc": 1}}, {"state": {"state": 2**128, "inc": 1}}, {"state": {"state": 1, "inc": 2}},
    {"state": {"state": 1.0, "inc": 1}}, {"state": {"state": True, "inc": 1}}, {"state": {"state": 1}}, {"state": None},
    {"bit_generator": "MT19937"}, {"bit_generator": ["PCG64"]}, {"has_uint32": 2}, {"uinteger": 2**32},
    {"uinteger": "0"}, {"extra": 0},
]  # fmt: skip


@pytest.mark.parametrize("changes", GENERATORS, ids=[f"{i}" for i in range(len(GENERATORS))])
def test_wrong_generators(valid, load_bytes, changes):
    state = json.loads(entries_of(parts(valid)[0])["generator"])
    load_bytes(with_metadata(valid, generator=json.dumps(state)))
    with pytest.raises(ModelFileError, match="its generator's state is .*, expected that of NumPy's PCG64"):
        load_bytes(with_metadata(valid, generator=json.dumps({**state, **changes})))


@pytest.mark.parametrize("text", ["{", "[]", "null", "[" * 100_000, 5])
def test_generators_that_are_no_json_object(valid, load_bytes, text):
    with pytest.raises(ModelFileError, match="not a model file that can be loaded"):
        load_bytes(with_metadata(valid, generator=text))


def deep(depth):
    return "[" * depth + "]" * depth


METADATA = [
    ({"format": "pt"}, "not written by fastnn"),
    ({"format_version": "3"}, "format version 3; this fastnn .* reads up to 2. Upgrade"),
    ({"format_version": "999999999"}, "Upgrade"),
    ({"format_version": "9" * 5000}, "expected a whole number"),
    ({"format_version": "1.0"}, "expected a whole number"),
    ({"format_version": "-1"}, "expected a whole number"),
    ({"format_version": ""}, "expected a whole number"),
    ({"format_version": 1}, "expected a whole number"),
    ({"config": "{"}, "configuration is not JSON"),
    ({"config": "[]"}, "exactly the entries"),
    ({"config": "null"}, "exactly the entries"),
    ({"config": None}, "configuration is not JSON"),
    ({"config": {}}, "configuration is not JSON"),
    ({"config": deep(100_000)}, "not JSON"),
    ({"config": deep(900)}, "not"),
    ({"config": "9" * 10_000}, "not JSON"),
    ({"config": '{"sizes": ' + deep(700) + "}"}, "not"),
]


@pytest.mark.parametrize(("changes", "words"), METADATA, ids=[f"{i}" for i in range(len(METADATA))])
def test_wrong_metadata(valid, load_bytes, changes, words):
    with pytest.raises(ModelFileError, match=words):
        load_bytes(with_metadata(valid, **changes))


@pytest.mark.parametrize("depth", [100, 300, 450, 600, 900])
def test_deeply_nested_sizes(valid, load_bytes, depth):
    nested = json.loads(deep(depth))
    with pytest.raises(ModelFileError, match="not a model file"):
        load_bytes(with_config(valid, sizes=nested))


def tensors_changed(data, change):
    header, tensors = parts(data)
    change(header)
    return rebuilt(header, tensors)


HEADERS = {
    "shape": lambda h: h["W1"].update(shape=[2, 3]),
    "flat": lambda h: h["W1"].update(shape=[6]),
    "negative": lambda h: h["W1"].update(shape=[-3, -2]),
    "huge shape": lambda h: h["W1"].update(shape=[2**40, 2**40]),
    "huge offset": lambda h: h["W1"].update(data_offsets=[0, 2**50]),
    "beyond int64": lambda h: h["W1"].update(data_offsets=[0, 2**70]),
    "overlap": lambda h: h["W1"].update(data_offsets=h["W2"]["data_offsets"]),
    "dtype": lambda h: h["W1"].update(dtype="I32"),
    "unknown dtype": lambda h: h["W1"].update(dtype="Q8"),
    "bfloat16": lambda h: h["W1"].update(dtype="BF16"),
    "missing": lambda h: h.pop("W1"),
    "renamed": lambda h: h.update(W9=h.pop("W1")),
    "extra": lambda h: h.update(W9={"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}),
    "no object": lambda h: h.update(W1=[]),
    "nothing but metadata": lambda h: [h.pop(name) for name in list(h) if name != "__metadata__"],
    "no metadata": lambda h: h.pop("__metadata__"),
    "metadata a list": lambda h: h.update(__metadata__=[]),
    "entries a list": lambda h: h.update(__metadata__={"fastnn": "[]"}),
    "entries no JSON": lambda h: h.update(__metadata__={"fastnn": "{"}),
    "entries no text": lambda h: h.update(__metadata__={"fastnn": {}}),
    "entries too deep": lambda h: h.update(__metadata__={"fastnn": "[" * 100_000}),
}


@pytest.mark.parametrize("change", HEADERS)
def test_wrong_tensors(valid, load_bytes, change):
    with pytest.raises(ModelFileError, match="not a model file that can be loaded"):
        load_bytes(tensors_changed(valid, HEADERS[change]))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_parameters_that_are_not_finite(valid, load_bytes, value, tmp_path):
    header, tensors = parts(valid)
    with pytest.raises(ModelFileError, match="tensor .* holds values that are not finite"):
        load_bytes(rebuilt(header, np.float32(value).tobytes() + tensors[4:]))
    net = Network([3, 2], output="softmax", seed=0)
    net.weights[0][1, 1] = value
    with pytest.raises(ValueError, match=r"theta\[3\]"):
        net.save(tmp_path / "net")
    assert not (tmp_path / "net").exists()


@pytest.mark.parametrize("data", [
    b"", b"\0", b"\0" * 8, b"\0" * 100, b"not a model at all", b"\xff" * 100, b"PK\x03\x04" + b"\0" * 60,
    (2**63).to_bytes(8, "little") + b"{}", (2**20).to_bytes(8, "little") + b"{}", rebuilt(b"{", b""),
    rebuilt(b"[]", b""), rebuilt(b"\xff\xfe", b""), rebuilt(b"null", b""), rebuilt(deep(50_000).encode(), b""),
    rebuilt(b'{"a":' * 900, b""),
    rebuilt(b"9" * 10_000, b""),
], ids=repr)  # fmt: skip
def test_foreign_bytes(load_bytes, data):
    began = time.perf_counter()
    with pytest.raises(ModelFileError, match="not a model file that can be loaded"):
        load_bytes(data)
    assert time.perf_counter() - began < 1


def test_foreign_safetensors(tmp_path):
    from safetensors.numpy import save_file

    path = tmp_path / "other.safetensors"
    save_file({"W1": np.zeros((3, 2), np.float32), "b1": np.zeros(2, np.float32)}, path)
    with pytest.raises(ModelFileError, match="not written by fastnn"):
        fastnn.load(path)


class Bomb:
    """Unpickling this makes a folder."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_nothing_is_unpickled(load_bytes, tmp_path, protocol):
    with pytest.raises(ModelFileError):
        load_bytes(pickle.dumps(Bomb(str(tmp_path / "boom")), protocol))
    assert not (tmp_path / "boom").exists()
    np.save(tmp_path / "given.npy", np.array([Bomb(str(tmp_path / "boom"))]), allow_pickle=True)
    with pytest.raises(ModelFileError):
        fastnn.load(tmp_path / "given.npy")
    assert not (tmp_path / "boom").exists()


def test_a_model_file_error_is_a_value_error():
    assert issubclass(ModelFileError, ValueError)
    assert issubclass(ModelFileError, fastnn.FastNNError)


# ---- files that are not there, or cannot be written


def test_missing_files_and_folders(tmp_path):
    with pytest.raises(FileNotFoundError):
        fastnn.load(tmp_path / "missing")
    with pytest.raises(OSError, match=str(tmp_path.name)):
        fastnn.load(tmp_path)
    net = Network([3, 2], output="softmax", seed=0)
    with pytest.raises(FileNotFoundError):
        net.save(tmp_path / "no folder" / "net")
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        net.save(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


@pytest.mark.parametrize("step", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failing_write_leaves_the_old_file(tmp_path, monkeypatch, step, error):
    path = tmp_path / "net.safetensors"
    Network([3, 2], output="softmax", seed=0).save(path)
    before = path.read_bytes()

    def fail(*_):
        raise error

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(type(error)):
        Network([3, 2], output="softmax", seed=1).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root writes everywhere")
def test_an_unwritable_folder(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError):
        Network([3, 2], output="softmax", seed=0).save(tmp_path / "net")
    tmp_path.chmod(0o700)
    assert not list(tmp_path.iterdir())


def test_the_limit_of_the_header_leaves_room():
    layer = len('"W10000":{"dtype":"F32","shape":[10000,10000],"data_offsets":[1000000000,1000000000]},') * 2
    assert io.HEADER_LIMIT > 10_000 * (layer + len("10000, 'leaky_relu', "))
