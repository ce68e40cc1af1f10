"""Checks of numbers and names: every error says what was expected, what came and what to do."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable, Mapping, Sequence
from numbers import Real
from typing import Any

import numpy as np

__all__ = ["choice", "per_layer", "real", "truth", "whole"]


def whole(value: object, name: str, least: int = 0) -> int:
    """Return value as an int that is at least ``least``.

    Raises TypeError for what is not a whole number (bool included), ValueError for one that is too small.
    """
    number: int | None = None
    if not isinstance(value, bool):
        try:
            number = operator.index(value)  # type: ignore[arg-type]
        except TypeError:
            if isinstance(value, Real) and float(value).is_integer():
                number = int(float(value))
    if number is None:
        raise TypeError(f"{name} must be a whole number, got {value!r}.")
    if number < least:
        raise ValueError(f"{name} must be at least {least}, got {number}.")
    return number


def real(
    value: object, name: str, low: float = -math.inf, high: float = math.inf, *, open_low: bool = False,
    open_high: bool = False,
) -> float:  # fmt: skip
    """Return value as a finite float in the interval from low to high; ``open_`` excludes an end.

    Raises TypeError for what is not a number, ValueError for NaN, infinity and what lies outside.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"{name} must be a number, got {value!r}.")
    try:
        number = float(value)
    except OverflowError:  # an int beyond float64
        number = math.inf if value > 0 else -math.inf  # type: ignore[operator]
    inside = (number > low if open_low else number >= low) and (number < high if open_high else number <= high)
    if not (math.isfinite(number) and inside):
        left = "(" if open_low or low == -math.inf else "["
        right = ")" if open_high or high == math.inf else "]"
        raise ValueError(f"{name} must be a finite number in {left}{low:g}, {high:g}{right}, got {value!r}.")
    return number


def truth(value: object, name: str) -> bool:
    """Return value as a bool; raise TypeError for what is neither True nor False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{name} must be True or False, got {value!r}.")
    return bool(value)


def choice(value: object, name: str, known: Iterable[str], aliases: Mapping[str, str] | None = None) -> str:
    """Return the known name that value is (or is an alias of); the error lists them and suggests the nearest."""
    names = list(known)
    others = dict(aliases or {})
    if not isinstance(value, str):
        raise TypeError(f"{name} must be one of {', '.join(names)}; got {value!r}.")
    if value in names:
        return value
    if value in others:
        return others[value]
    import difflib  # on the way to an error only: it costs an import of fastnn 1 %

    near = difflib.get_close_matches(value.lower(), names + list(others), n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    also = f" (aliases: {', '.join(others)})" if others else ""
    raise ValueError(f"unknown {name} {value!r}.{hint} Known: {', '.join(names)}{also}.")


def per_layer(value: Any, name: str, count: int, of: str) -> list[Any]:
    """Return ``count`` values: the one given for all, or the sequence given, checked for its length."""
    if isinstance(value, np.ndarray) and value.ndim == 1:
        value = value.tolist()
    if isinstance(value, Sequence) and not isinstance(value, (str, bytes)):
        if len(value) != count:
            raise ValueError(f"{name} must be one value or one per {of} ({count}), got {len(value)}: {value!r}.")
        return list(value)
    return [value] * count
