"""A shadow that burns: every prediction takes all the CPU it gets for as long as its call may take."""

from __future__ import annotations

from typing import Any


def predict(_: Any) -> Any:
    """Never answers."""
    while True:
        pass


def main() -> None:
    """The same in a process as others would start it, at normal priority."""
    predict(None)


if __name__ == "__main__":
    main()
