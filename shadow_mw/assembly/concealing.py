"""What the settings have concealed, and how much they have disclosed."""

from __future__ import annotations

from shadow_mw.captures import parse_capture
from shadow_mw.compare.choice import Comparators
from shadow_mw.concealment import Concealer
from shadow_mw.digests import Digest
from shadow_mw.redaction import Redactor
from shadow_mw.settings import Settings
from shadow_mw.worker.disclosure import Disclosure


def conceal(settings: Settings) -> Concealer:
    """What takes values out of exchanges before they leave the host."""
    return Concealer(
        settings.redact_request, max_body_bytes=int(settings.max_body_bytes), key=settings.redact_key
    )


def disclose(settings: Settings, redactor: Redactor) -> Disclosure:
    """What takes values out of comparisons before they are kept or told."""
    # Not those that judge: `auto` picks by what it has seen, and must not see what was made of it.
    comparators = Comparators(
        settings.compare, rtol=settings.rtol, atol=settings.atol, ignore=settings.ignore
    )
    digest = Digest(settings.redact_key) if settings.redact_key else None
    return Disclosure(redactor, parse_capture(settings.capture), digest, comparators)
