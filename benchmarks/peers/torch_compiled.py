"""PyTorch with torch.compile in its fastest form here: gather, loss, gradient and update as one function.

Compiling only the model, as most do, leaves autograd and the optimiser outside and is slower than not compiling.
"""

from __future__ import annotations

import copy
import shutil
import time
from typing import Any

from ..networks import BETA_1, BETA_2, EPSILON, Array, Task, start
from .base import Layers, Unavailable
from .torch_peer import Torch


class TorchCompiled(Torch):
    """One compiled call per step; parameters are updated in place."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        if not any(map(shutil.which, ("g++", "clang++", "c++", "cl"))):
            raise Unavailable("torch.compile needs a C++ compiler, and none is on the PATH")

    def begin(self, task: Task) -> float:
        """Make the step and let its first call compile it."""
        torch = self.torch
        self._load(task)
        self.parameters = [torch.from_numpy(a.copy()) for layer in start(task) for a in layer]
        self.slots = [[torch.zeros_like(p) for p in self.parameters] for _ in range(2)]
        self.count = torch.zeros((), dtype=torch.float64)
        shape = (task.sizes, task.activation, task.batch, task.optimizer, self.X.shape)
        if getattr(self, "shape", None) == shape:
            return 0.0
        self.shape = shape
        torch._dynamo.reset()
        self.plain = self._step(task)
        self.compiled = torch.compile(self.plain, dynamic=False)
        seconds = []
        for _ in range(2):
            kept = [copy.deepcopy(part) for part in (self.parameters, self.slots, self.count)]
            began = time.perf_counter()
            rate = torch.tensor(0.0)
            with torch.no_grad():
                kept[-1].add_(1)
                self.compiled(*kept, self.X, self.y, torch.arange(task.batch), rate)
            seconds.append(time.perf_counter() - began)
        return seconds[0] - seconds[1]

    def _step(self, task: Task) -> Any:
        torch = self.torch
        hidden = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[task.activation]
        adam, layers = task.optimizer == "adam", len(task.sizes) - 1

        def loss(parameters: Any, A: Any, labels: Any) -> Any:
            for i in range(layers - 1):
                A = hidden(torch.addmm(parameters[2 * i + 1], A, parameters[2 * i]))
            return torch.nn.functional.cross_entropy(torch.addmm(parameters[-1], A, parameters[-2]), labels)

        gradient = torch.func.grad_and_value(loss)

        def step(parameters: Any, slots: Any, count: Any, X: Any, y: Any, rows: Any, rate: Any) -> Any:
            gradients, value = gradient(parameters, X[rows], y[rows])
            if not adam:
                for p, g in zip(parameters, gradients, strict=True):
                    p.sub_(rate * g)
                return value
            root = torch.sqrt(1 - BETA_2**count).float()
            scaled = rate * root / (1 - BETA_1**count).float()
            for p, g, m, v in zip(parameters, gradients, *slots, strict=True):
                m.mul_(BETA_1).add_((1 - BETA_1) * g)
                v.mul_(BETA_2).add_((1 - BETA_2) * g * g)
                p.sub_(scaled * m / (torch.sqrt(v) + EPSILON * root))
            return value

        return step

    def _epoch(self, order: Array, rate: Array) -> float:
        torch, batch = self.torch, self.task.batch
        batches, rates, losses = torch.from_numpy(order).split(batch), torch.from_numpy(rate).float(), []
        with torch.no_grad():
            for rows, r in zip(batches, rates.unbind(), strict=True):
                # A short last batch would be compiled for itself; once per epoch it may as well run as it is.
                step = self.compiled if len(rows) == batch else self.plain
                self.count.add_(1)  # compiled, the powers would take it as it was before: 1 - beta^0 divides by 0
                losses.append(step(self.parameters, self.slots, self.count, self.X, self.y, rows, r))
            return float(torch.stack(losses) @ torch.tensor([float(len(b)) for b in batches])) / len(order)

    def layers(self) -> Layers:
        """Return the parameters."""
        flat = [p.numpy().copy() for p in self.parameters]
        return list(zip(flat[::2], flat[1::2], strict=True))

    def begin_predict(self, task: Task, rows: int, form: str) -> float:
        """Compile the network for these rows."""
        self.torch._dynamo.reset()
        super().begin_predict(task, rows, form)
        seconds = []
        for _ in range(2):
            began = time.perf_counter()
            with self.torch.inference_mode():
                self.call()
            seconds.append(time.perf_counter() - began)
        return seconds[0] - seconds[1]

    def _inference(self, network: Any, X: Any) -> Any:
        return super()._inference(self.torch.compile(network, dynamic=False), X)


PEER = TorchCompiled
