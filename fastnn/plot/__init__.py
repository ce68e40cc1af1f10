"""Pictures of networks and of what they learn, for slides and papers.

Every function draws into one matplotlib ``Axes`` and returns it: the one given as ``ax``, or that of a new figure of
``matplotlib.pyplot``.  None calls ``show``.  Colours are told apart by the colour-blind, and what they say is also in
dashes, marks, lightness or numbers, so a print in grey still reads.  matplotlib is imported when a picture is drawn.
"""

from __future__ import annotations

from .curves import activation_functions, history, predictions
from .graph import network
from .images import activations, weights
from .regions import confusion_matrix, decision_boundary
from .style import save

__all__ = [
    "activation_functions",
    "activations",
    "confusion_matrix",
    "decision_boundary",
    "history",
    "network",
    "predictions",
    "save",
    "weights",
]
