"""PyTorch as its tutorials write it: modules, autograd, an optimiser; fused where it offers that."""

from __future__ import annotations

from typing import Any

from ..networks import BETA_1, BETA_2, EPSILON, Array, Task, orders, rates, start, training_data
from .base import Layers, Peer, Trained, Unavailable, stopwatch


class Torch(Peer):
    """A Sequential of Linear layers."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        try:
            import torch
        except ImportError as error:
            raise Unavailable("PyTorch is not installed") from error
        self.torch = torch
        torch.set_num_threads(threads)

    def blas(self) -> str:
        """Return its BLAS, which is linked into it and so not seen by threadpoolctl, and its own kernels' target."""
        kind = "MKL" if self.torch.backends.mkl.is_available() else "no MKL"
        return f"{kind}, own kernels for {self.torch.backends.cpu.get_cpu_capability()}"

    def _load(self, task: Task) -> None:
        self.task = task
        X, y = training_data(task)
        self.X, self.y = self.torch.from_numpy(X), self.torch.from_numpy(y)
        self.rates = rates(task)

    def begin(self, task: Task) -> float:
        """Build the modules and the optimiser at the start."""
        torch, nn = self.torch, self.torch.nn
        self._load(task)
        hidden = {"sigmoid": nn.Sigmoid, "tanh": nn.Tanh, "relu": nn.ReLU}[task.activation]
        modules: list[Any] = []
        for n_in, n_out in zip(task.sizes, task.sizes[1:], strict=False):
            modules += [nn.Linear(n_in, n_out), hidden()]
        self.model = nn.Sequential(*modules[:-1])
        self.linear = modules[::2]
        with torch.no_grad():
            for module, (W, b) in zip(self.linear, start(task), strict=True):
                module.weight.copy_(torch.from_numpy(W.T))
                module.bias.copy_(torch.from_numpy(b))
        if task.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(self.model.parameters(), task.rate, fused=True)
        else:
            self.optimizer = torch.optim.Adam(
                self.model.parameters(), task.rate, betas=(BETA_1, BETA_2), eps=EPSILON, fused=True
            )
        return 0.0

    def train(self, epochs: int, seed: int) -> Trained:
        """Train; the loss stays a tensor until the epoch's end."""
        draw = orders(self.task, seed)
        return stopwatch(epochs, lambda epoch: self._epoch(draw(), self.rates[epoch % len(self.rates)]))

    def _epoch(self, order: Array, rate: Array) -> float:
        loss_of, optimizer = self.torch.nn.functional.cross_entropy, self.optimizer
        group = optimizer.param_groups[0]
        model, X, y, varying = self.model, self.X, self.y, self.task.schedule != "constant"
        losses, batches = [], self.torch.from_numpy(order).split(self.task.batch)
        for step, rows in enumerate(batches):
            if varying:
                group["lr"] = rate[step]
            optimizer.zero_grad(set_to_none=True)
            loss = loss_of(model(X[rows]), y[rows])
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return float(self.torch.stack(losses) @ self.torch.tensor([float(len(b)) for b in batches])) / len(order)

    def layers(self) -> Layers:
        """Return the parameters."""
        return [(m.weight.detach().numpy().T.copy(), m.bias.detach().numpy().copy()) for m in self.linear]

    def begin_predict(self, task: Task, rows: int, form: str) -> float:
        """Bind the rows as a tensor; functions on plain tensors cost less than modules."""
        torch = self.torch
        self._load(task)
        hidden = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "relu": torch.relu}[task.activation]
        tensors = [(torch.from_numpy(W), torch.from_numpy(b)) for W, b in start(task)]
        X = self.X[: max(rows, 1)]
        addmm, softmax = torch.addmm, torch.softmax

        def network(A: Any) -> Any:
            for W, b in tensors[:-1]:
                A = hidden(addmm(b, A, W))
            W, b = tensors[-1]
            return softmax(addmm(b, A, W), 1)

        self.call = self._inference(network, X)
        return 0.0

    def _inference(self, network: Any, X: Any) -> Any:
        inference = self.torch.inference_mode

        def call() -> Any:
            with inference():
                return network(X)

        return call

    def time_calls(self, form: str, calls: int) -> float:
        """Return the seconds of so many calls, inference mode entered once for all."""
        with self.torch.inference_mode():
            return super().time_calls(form, calls)


PEER = Torch
