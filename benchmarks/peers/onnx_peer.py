"""ONNX Runtime: prediction only."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from ..networks import Task, start, training_data
from .base import Peer, Unavailable

OPERATORS = {"sigmoid": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}


class OnnxRuntime(Peer):
    """An InferenceSession on a graph of Gemm nodes."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        try:
            import onnxruntime
        except ImportError as error:
            raise Unavailable("ONNX Runtime is not installed") from error
        try:
            import onnx
        except ImportError as error:
            raise Unavailable("the package onnx, which makes the model for ONNX Runtime, is not installed") from error
        self.onnx, self.runtime = onnx, onnxruntime

    def _model(self, task: Task) -> bytes:
        helper, arrays = self.onnx.helper, self.onnx.numpy_helper
        nodes: list[Any] = []
        initial: list[Any] = []
        at = "X"
        for i, (W, b) in enumerate(start(task)):
            initial += [arrays.from_array(W, f"W{i}"), arrays.from_array(b, f"b{i}")]
            nodes.append(helper.make_node("Gemm", [at, f"W{i}", f"b{i}"], [f"Z{i}"]))
            last = i == len(task.sizes) - 2
            nodes.append(helper.make_node("Softmax" if last else OPERATORS[task.activation], [f"Z{i}"],
                                          ["Y" if last else f"A{i}"], **({"axis": 1} if last else {})))  # fmt: skip
            at = f"A{i}"
        shape = self.onnx.TensorProto.FLOAT
        graph = helper.make_graph(
            nodes, "network", [helper.make_tensor_value_info("X", shape, [None, task.sizes[0]])],
            [helper.make_tensor_value_info("Y", shape, [None, task.sizes[-1]])], initial,
        )  # fmt: skip
        # An old operator set and format, which every release reads.
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        self.onnx.checker.check_model(made)
        return bytes(made.SerializeToString())

    def forms(self, rows: int) -> tuple[str, ...]:
        """Return the plain call and the one with inputs and outputs bound to memory beforehand."""
        return ("run", "bound")

    def begin_predict(self, task: Task, rows: int, form: str) -> float:
        """Make the session; its graph optimisation counts as compilation."""
        options = self.runtime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = self.runtime.GraphOptimizationLevel.ORT_ENABLE_ALL
        X = np.ascontiguousarray(training_data(task)[0][: max(rows, 1)])
        model = self._model(task)
        began = time.perf_counter()
        session = self.runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        seconds = time.perf_counter() - began
        self.out = np.empty((len(X), task.sizes[-1]), np.float32)
        if form == "run":
            run, feed, names = session.run, {"X": X}, ["Y"]
            self.call = lambda: run(names, feed)[0]
            return seconds
        binding = session.io_binding()
        for bind, name, array in ((binding.bind_input, "X", X), (binding.bind_output, "Y", self.out)):
            bind(name, "cpu", 0, np.float32, array.shape, array.ctypes.data)
        self.kept = X, binding  # the binding holds bare pointers
        run_bound = session.run_with_iobinding
        self.call = lambda: run_bound(binding)
        return seconds


PEER = OnnxRuntime
