"""What options mean: small languages for lists, losses, initial weights and schedules; the optimiser they make."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any, NoReturn, TypeVar

from .. import schedules
from ..checks import choice
from ..initializers import INITIALIZERS, SCALES
from ..optimizers import BY_SHORT_NAME, Optimizer, as_optimizer

__all__ = ["Commands", "Parser", "UsageError", "floats", "init", "integers", "loss", "names", "optimizer", "switch"]

T = TypeVar("T")


class UsageError(ValueError):
    """The words of the command line do not fit together."""


class Parser(argparse.ArgumentParser):
    """An argparse parser whose errors are one line, raised rather than printed."""

    def __init__(self, **settings: Any) -> None:
        settings.setdefault("formatter_class", _Formatter)
        super().__init__(**settings, allow_abbrev=False)
        self.add_argument("--traceback", action="store_true", help="show where an error came from")

    def error(self, message: str) -> NoReturn:
        """Raise UsageError."""
        raise UsageError(f"{message}. See: {self.prog} --help")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=110)


Commands = argparse._SubParsersAction  # the type of what add_subparsers returns has no public name


def _listed(text: str, kind: Callable[[str], T], what: str) -> list[T]:
    try:
        return [kind(word.strip()) for word in text.split(",")] if text.strip() else []
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected {what} separated by commas, got {text!r}") from None


def integers(text: str) -> list[int]:
    """Return "16,16" as [16, 16]; an empty text or "none" is []."""
    return [] if text.strip().lower() == "none" else _listed(text, int, "whole numbers")


def floats(text: str) -> float | list[float]:
    """Return "0.1" as 0.1 and "0.1,0.2" as [0.1, 0.2]."""
    found = _listed(text, float, "numbers")
    if not found:
        raise argparse.ArgumentTypeError("expected a number")
    return found[0] if len(found) == 1 else found


def names(text: str) -> str | list[str]:
    """Return "relu" as it is and "relu,tanh" as a list."""
    found = _listed(text, str, "names")
    return found[0] if len(found) == 1 else found


def switch(text: str) -> bool | str:
    """Return "yes", "no" or "auto" as True, False or "auto"."""
    known: dict[str, bool | str] = {"yes": True, "no": False, "auto": "auto"}
    if text not in known:
        raise argparse.ArgumentTypeError(f"expected yes, no or auto, got {text!r}")
    return known[text]


def _number(text: str, what: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected a number as {what}, got {text!r}") from None


def loss(text: str) -> str | dict[str, float]:
    """Return "huber" as it is and "huber:1.5" as {"huber": 1.5}."""
    name, colon, parameter = text.partition(":")
    return {name: _number(parameter, f"the parameter of {name}")} if colon else name


def init(text: str) -> str | dict[str, float]:
    """Return a name as it is, and "normal:1,bias:1" as {"normal": 1.0, "bias": 1.0}."""
    if ":" not in text:
        if text in SCALES:
            raise argparse.ArgumentTypeError(f"{text} needs its {SCALES[text]}, as in {text}:0.1")
        try:
            return choice(text, "init", INITIALIZERS)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None
    parts = [part.partition(":") for part in text.split(",")]
    return {name.strip(): _number(value, f"{name.strip()}:...") for name, _, value in parts}


SCHEDULES = ("step", "exponential", "cosine", "onecycle", "inverse")


def _schedule(text: str, rate: float) -> schedules.Schedule:
    """Return the schedule that "cosine" or "step:10:0.5" stands for, its lengths in epochs."""
    name, *words = text.split(":")
    name = choice(name, "schedule", SCHEDULES)
    given = [_number(word, f"a number of the schedule {name}") for word in words]
    most, least = {"step": (2, 1), "exponential": (1, 1)}.get(name, (1, 0))
    if not least <= len(given) <= most:
        raise UsageError(
            f"--schedule {text}: expected step:EVERY[:FACTOR] (in epochs), exponential:FACTOR (per epoch), "
            "cosine[:FINAL_RATE], onecycle[:RISE] or inverse[:POWER]."
        )
    kinds = {
        "step": schedules.Step,
        "exponential": schedules.Exponential,
        "cosine": schedules.Cosine,
        "onecycle": schedules.OneCycle,
        "inverse": schedules.InverseScaling,
    }
    made: schedules.Schedule = kinds[name](rate, *given, unit="epoch")
    return made


def optimizer(arguments: argparse.Namespace) -> Optimizer:
    """Return the optimiser that --optimizer, --learning-rate, --momentum, --weight-decay and --schedule make."""
    made = as_optimizer(arguments.optimizer)
    known = {field.name for field in fields(made)}
    given = {
        "learning_rate": arguments.learning_rate,
        "momentum": arguments.momentum,
        "weight_decay": arguments.weight_decay,
    }
    for name, value in given.items():
        if value is None:
            continue
        if name not in known:
            others = [short for short, one in BY_SHORT_NAME.items() if name in {field.name for field in fields(one)}]
            raise UsageError(
                f"--optimizer {arguments.optimizer} has no {name.replace('_', ' ')}; these have: {', '.join(others)}."
            )
        made = replace(made, **{name: value})
    if arguments.schedule is not None:
        if not isinstance(made.learning_rate, float):
            raise UsageError("--schedule needs a learning rate above 0.")
        try:
            made = replace(made, learning_rate=_schedule(arguments.schedule, made.learning_rate))
        except argparse.ArgumentTypeError as error:
            raise UsageError(f"--schedule {arguments.schedule}: {error}.") from None
    return made
