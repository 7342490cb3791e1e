"""Mirror live predictions to a shadow model with one line of ASGI middleware; production cannot tell."""

from __future__ import annotations

__version__ = "0.1.0"
