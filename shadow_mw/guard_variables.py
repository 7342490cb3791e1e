"""The names of the variables of a shadow's own server, which are no settings of the app that mirrors."""

from __future__ import annotations

GUARD_VARIABLE = "SHADOW_GUARD"
SCOPE_VARIABLE = "SHADOW_GUARD_SCOPE"
ALLOW_VARIABLE = "SHADOW_GUARD_ALLOW"
GUARD_VARIABLES = (GUARD_VARIABLE, SCOPE_VARIABLE, ALLOW_VARIABLE)
