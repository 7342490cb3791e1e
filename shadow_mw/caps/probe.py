"""What would come of the caps of a mirror process: `python -m shadow_mw.caps.probe`, started by a check."""

from __future__ import annotations

import subprocess
import sys

import msgspec

from shadow_mw.caps.cap import Cap
from shadow_mw.caps.taking import capped
from shadow_mw.caps.wish import Wish

_LONGEST_SECONDS = 60.0


def probed(wish: Wish) -> tuple[Cap, ...]:
    """The caps that a process started from here gets, by starting one.

    Raises:
        OSError: none could be started, or it told nothing.

    """
    command = [sys.executable, "-m", "shadow_mw.caps.probe", msgspec.json.encode(wish).decode()]
    try:
        told = subprocess.run(  # noqa: S603 our own module
            command, capture_output=True, timeout=_LONGEST_SECONDS, check=True
        )
        return msgspec.json.decode(told.stdout, type=tuple[Cap, ...])
    except (subprocess.SubprocessError, msgspec.DecodeError) as error:
        raise OSError(f"a process told nothing of its caps: {error}") from error


def main() -> None:
    """Take the caps, tell what came of it, and end."""
    wish = msgspec.json.decode(sys.argv[1], type=Wish)
    with capped("shadow_mw", wish) as caps:
        sys.stdout.buffer.write(msgspec.json.encode(caps))


if __name__ == "__main__":
    main()
