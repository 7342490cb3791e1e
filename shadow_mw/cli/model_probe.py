"""What `shadow-mw check` finds out on a callable: whether it is imported, and in what sandbox."""

from __future__ import annotations

import anyio

from shadow_mw.caps.wish import Wish
from shadow_mw.cli.finding import Finding
from shadow_mw.exceptions import ShadowUnreachable
from shadow_mw.sandbox.layers import sentence
from shadow_mw.settings import Settings
from shadow_mw.shadows.model_frames import REFUSED
from shadow_mw.targets import Target

_LONGEST_IMPORT_SECONDS = 60.0


async def probe_model(target: Target, settings: Settings) -> list[Finding]:
    """Import the callable in a process of its own, as the mirror would."""
    from shadow_mw.shadows.python import PythonShadow

    shadow = PythonShadow(
        target,
        replicas=1,
        features="",
        max_body_bytes=2**20,
        sandbox=settings.sandbox,
        wish=Wish.of(settings),
    )
    where = f"target {target.name} at {target.url}"
    try:
        with anyio.fail_after(_LONGEST_IMPORT_SECONDS):
            layers = await shadow.loaded()
    except TimeoutError:
        return [Finding(False, f"{where} was not imported within {_LONGEST_IMPORT_SECONDS:g} s")]
    except ShadowUnreachable as error:
        reason = str(error).partition("; the next start")[0]
        mend = "correct SHADOW_TARGETS or the module"
        if reason.startswith(REFUSED):
            mend = "run it where that holds, or set SHADOW_SANDBOX=best-effort"
        return [Finding(False, f"{where} cannot be asked ({reason}): {mend}")]
    finally:
        await shadow.aclose()
    return [
        Finding(True, f"{where} is imported and can be called"),
        Finding(True, f"sandbox of {target.name} ({settings.sandbox}) {sentence(layers)}"),
    ]
