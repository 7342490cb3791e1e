"""What every Python that `shadow-mw run` starts imports first.

It runs in each Python process of the command, tools and foreign interpreters too. So it imports next to
nothing, does its work when a framework is imported, and never raises.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType

_HERE = Path(__file__).resolve().parent
#: Holds the process id of the command itself, which an exec does not change.
_COMMAND = "_SHADOW_MW_RUN"
#: Modules whose import says that a framework is there, as in `shadow_mw.doors.automatic`.
_MODULES = (
    "django.core.handlers.asgi",
    "django.core.handlers.wsgi",
    "fastapi.applications",
    "flask.app",
    "litestar.app",
    "quart.app",
    "starlette.applications",
)


def _hook(module: ModuleType) -> None:
    try:
        from shadow_mw.doors.automatic import hook

        hook(module)
    except Exception as error:  # noqa: BLE001 the app's own import must not fail for our sake
        _say(f"{module.__name__} is not mirrored: {type(error).__name__}: {error}")


def _install() -> None:
    missing = [name for name in ("shadow_mw", "wrapt") if importlib.util.find_spec(name) is None]
    if missing:
        if os.environ.get(_COMMAND) == str(os.getpid()):
            lack = f"{sys.executable} has no {missing[0]}"
            _say(f"nothing is mirrored: {lack}; install shadow-mw in its environment")
        return
    import wrapt

    for name in _MODULES:
        wrapt.register_post_import_hook(_hook, name)


def _make_way() -> None:
    """Import the `sitecustomize` that ours has hidden, if there is one."""
    sys.path[:] = [path for path in sys.path if not path or Path(path).resolve() != _HERE]
    mine = sys.modules.pop("sitecustomize", None)
    try:
        importlib.import_module("sitecustomize")
    except ModuleNotFoundError as error:
        if error.name != "sitecustomize":
            raise
        if mine is not None:
            sys.modules["sitecustomize"] = mine


def _say(sentence: str) -> None:
    if sys.stderr is not None:
        sys.stderr.write(f"shadow-mw run: {sentence}\n")


if __name__ == "sitecustomize":  # imported by Python's own start, and not as a part of the package
    try:
        _install()
    finally:
        _make_way()
