"""What the settings have concealed."""

from __future__ import annotations

from shadow_mw.concealment import Concealer
from shadow_mw.settings import Settings


def conceal(settings: Settings) -> Concealer:
    """What takes out of bodies what may not leave the host."""
    return Concealer(settings.redact_request, max_body_bytes=int(settings.max_body_bytes))
