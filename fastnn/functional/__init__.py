"""The pieces as functions: products, layers, activations, losses.

Examples are in rows; float32 stays float32, everything else is computed in float64; inputs are never modified.

>>> from fastnn import functional as F
>>> F.relu([-1.0, 2.0]).tolist()
[0.0, 2.0]
"""

from .activations import *  # noqa: F403
from .activations import __all__ as _activations
from .elementary import *  # noqa: F403
from .elementary import __all__ as _elementary
from .losses import *  # noqa: F403
from .losses import __all__ as _losses
from .products import *  # noqa: F403
from .products import __all__ as _products

__all__ = [*_products, *_activations, *_elementary, *_losses]
