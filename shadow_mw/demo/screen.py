"""The demo's screen: a live panel in a terminal, plain progress lines anywhere else."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live
from rich.panel import Panel
from rich.table import Table

from shadow_mw.demo.view import View

if TYPE_CHECKING:
    from typing_extensions import Self

_PLAIN_SECONDS = 2.0
_REFRESHES_PER_SECOND = 4


class Screen:
    """Shows one view after the other; a context manager."""

    def __init__(self, title: str) -> None:
        """Name what runs."""
        self._title = title
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._live: Live | None = None
        self._printed_at = time.monotonic()
        self.is_gone = False
        """True once nobody reads what is printed."""

    def __enter__(self) -> Self:
        """Take the terminal, if there is one."""
        if self._console.is_terminal:
            self._live = Live(console=self._console, refresh_per_second=_REFRESHES_PER_SECOND)
            self._live.start()
        else:
            self._console.print(self._title, soft_wrap=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the last view standing."""
        if self._live is not None:
            self._live.stop()

    def show(self, view: View, *, is_last: bool = False) -> None:
        """Show a view; without a terminal one line every two seconds, and one for the last view."""
        now = time.monotonic()
        if self._live is not None:
            self._live.update(self._panel(view))
        elif is_last or now - self._printed_at >= _PLAIN_SECONDS:
            self._printed_at = now
            line = "; ".join(f"{name} {value}" for name, value in view.rows())
            try:
                self._console.print(line, soft_wrap=True)
            except SystemExit:  # so rich tells of a broken pipe, in whose place it has put /dev/null
                self.is_gone = True

    def _panel(self, view: View) -> Panel:
        table = Table.grid(padding=(0, 2))
        for name, value in view.rows():
            table.add_row(name, value)
        return Panel(table, title=self._title, subtitle="Ctrl-C ends it", title_align="left")
