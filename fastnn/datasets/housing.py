"""California housing: the census block groups of 1990 and their median house values."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn.datasets.dataset import Dataset, float_dtype, split_rows
from fastnn.datasets.files import StrPath, find
from fastnn.datasets.tables import read_table

__all__ = ["DERIVED_FEATURES", "FEATURES", "load_housing"]

#: The file's first eight columns: degrees, degrees, years, counts, and the income in 10 000 $.
FEATURES = (
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
)
_TARGET = "median_house_value"

#: scikit-learn's eight columns, which ``derived=True`` computes.
DERIVED_FEATURES = ("MedInc", "HouseAge", "AveRooms", "AveBedrms", "Population", "AveOccup", "Latitude", "Longitude")

_FILES = (("cal_housing.csv", "cal_housing.csv.gz"),)
_TEST_SIZE = 0.2
_SEED = 0


def load_housing(
    *,
    path: StrPath | None = None,
    standardize: bool = True,
    derived: bool = False,
    dtype: DTypeLike = np.float32,
) -> Dataset:
    """Load California housing: eight numbers per block group, and the median house value.

        Z_ij = (X_ij - mean_j) / std_j          mean and std of the training rows alone (std with divisor n)

    Parameters
    ----------
    path : str or path-like, optional
        ``cal_housing.csv`` (``.gz`` or not), or the directory that holds it. Without it: ``housing/`` below each
        directory of ``FASTNN_DATA`` and that directory itself, then ``fastnn/housing`` in the user's cache.
    standardize : bool, default True
        Shift and scale the inputs as above. The target is never standardised.
    derived : bool, default False
        False gives the file's columns: longitude, latitude, housing_median_age, total_rooms, total_bedrooms,
        population, households, median_income (degrees, degrees, years, counts, 10 000 $). True gives those of
        scikit-learn's ``fetch_california_housing``: MedInc = median_income, HouseAge = housing_median_age,
        AveRooms = total_rooms / households, AveBedrms = total_bedrooms / households, Population,
        AveOccup = population / households, Latitude, Longitude.
    dtype : dtype, default float32
        float32 or float64. All arithmetic is in float64 and rounded once.

    Returns
    -------
    Dataset
        ``X_train`` (16512, 8), ``X_test`` (4128, 8); ``y_train`` (16512,) and ``y_test`` (4128,), the median house
        value in units of 100 000 $ (0.14999 to 5.00001; the census cut off what lies above 5). New arrays at each
        call.

    Raises
    ------
    FileNotFoundError
        If the file is not found; the message names every place that was looked at, and where to put it.
    ValueError
        If the file's columns are others, or a cell is no number (its line and column are named).

    Notes
    -----
    The split is fixed: :func:`fastnn.datasets.dataset.split_rows` with a fifth for the test and seed 0, the same with
    every version of NumPy. No download is offered: no address is known whose file has the digest of the one this was
    built with.

    References
    ----------
    R. K. Pace and R. Barry, Sparse spatial autoregressions, Statistics and Probability Letters 33 (1997) 291-297;
    data from StatLib, http://lib.stat.cmu.edu/datasets/houses.zip. The ``cal_housing.data`` of L. Torgo's collection,
    https://www.dcc.fc.up.pt/~ltorgo/Regression/cal_housing.html, has the same columns in the same order without a
    header, and can be given by ``path``.

    Examples
    --------
    >>> from fastnn.datasets import load_housing
    >>> X_train, y_train, X_test, y_test = load_housing()  # doctest: +SKIP
    """
    wanted = float_dtype(dtype)
    advice = (
        "The table is on https://www.dcc.fc.up.pt/~ltorgo/Regression/cal_housing.html as cal_housing.data; "
        "no download is offered here."
    )
    (file,) = find("housing", _FILES, path, advice)
    values = _columns(file)
    X = _derived(file, values) if derived else values[:, :-1]
    y = values[:, -1] / 100_000.0
    train, test = split_rows(len(X), _TEST_SIZE, _SEED)
    if standardize:
        spread = X[train].std(axis=0)
        X = (X - X[train].mean(axis=0)) / np.where(spread > 0.0, spread, 1.0)
    X, y = X.astype(wanted), y.astype(wanted)
    return Dataset(X[train], y[train], X[test], y[test])


def _columns(file: Path) -> NDArray[np.float64]:
    """Read the nine columns in the order of FEATURES, the target last."""
    expected = [*FEATURES, _TARGET]
    table = read_table(file, dtype=np.dtype(np.float32))
    if table.names is None:
        if table.values.shape[1] != len(expected):
            raise ValueError(
                f"{file} has {table.values.shape[1]} columns and no header; expected the 9 columns {expected}."
            )
        return table.values
    if sorted(table.names) != sorted(expected):
        raise ValueError(f"{file} has the columns {table.names}; expected {expected}.")
    return table.values[:, [table.names.index(column) for column in expected]]


def _derived(file: str | os.PathLike[str], values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute scikit-learn's columns from the file's."""
    longitude, latitude, age, rooms, bedrooms, population, households, income, _ = values.T
    if not np.all(households > 0.0):
        raise ValueError(f"{file} has a row without households; expected at least one in each.")
    columns: list[NDArray[Any]] = [
        income,
        age,
        rooms / households,
        bedrooms / households,
        population,
        population / households,
        latitude,
        longitude,
    ]
    return np.column_stack(columns)
