"""A replay's progress on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from shadow_mw.hosting import Companion, Host
    from shadow_mw.replay.run import Progressing

_REFRESH_SECONDS = 0.2


def shown(progressing: Progressing) -> Companion:
    """A companion that draws a bar on stderr until it is cancelled."""

    async def companion(host: Host) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[state]}"),
        )
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task("replaying", total=None, state="")
            while True:
                (shadow,) = host.snapshot().shadows
                state = host.problem or ("" if shadow.circuit == "closed" else f"circuit {shadow.circuit}")
                bar.update(task, total=progressing.total, completed=progressing.passed, state=state)
                await anyio.sleep(_REFRESH_SECONDS)

    return companion
