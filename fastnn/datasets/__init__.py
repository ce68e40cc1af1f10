"""Data to learn with: bundled digits, and loaders for files that lie on this machine.

Every loader returns the named tuple :class:`Dataset`, ``(X_train, y_train, X_test, y_test)``, with one example per row.
Images are float32 in 0..1, or uint8 in 0..255 with ``raw=True``; class labels are int64.

Only :func:`load_digits` needs no files. The others look in the argument ``path`` if it is given, else below each
directory that the environment variable ``FASTNN_DATA`` names (several are separated by ``os.pathsep``), else in the
user's cache. Nothing is fetched from the network unless a call says ``download=True``.
"""

from fastnn.datasets.catvnoncat import load_catvnoncat
from fastnn.datasets.dataset import Dataset
from fastnn.datasets.digits import load_digits
from fastnn.datasets.housing import load_housing
from fastnn.datasets.idx import load_fashion_mnist, load_idx, load_mnist
from fastnn.datasets.tables import load_csv

__all__ = [
    "Dataset",
    "load_catvnoncat",
    "load_csv",
    "load_digits",
    "load_fashion_mnist",
    "load_housing",
    "load_idx",
    "load_mnist",
]
