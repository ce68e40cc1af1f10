"""The error surface: the loss of a network over a plane through its parameters, or along a line between two networks.

    loss(a, b) = L(theta + a D_1 + b D_2)

D_1 and D_2 are two weights, two random directions as long as the network's own filters, or the plane in which a
training run moved most.  Compiled code asks a tile of rows about all points of the grid, on all threads and in bounded
memory; the first layer's products are shared by the whole grid.
"""

from __future__ import annotations

from .pictures import Interpolation, Surface
from .surfaces import interpolate, surface

__all__ = ["Interpolation", "Surface", "interpolate", "surface"]
