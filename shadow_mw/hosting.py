"""What every process of ours has around its worker: signals, a deadline for the end, and company."""

from __future__ import annotations

import gc
import signal
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol, TypeAlias, TypeVar

import anyio

from shadow_mw.snapshots import Statistics

_COLLECT_AFTER_OBJECTS = 10_000


_T = TypeVar("_T")


class Host(Protocol):
    """A process with a worker, as those see it that keep it company."""

    @property
    def problem(self) -> str:
        """Why nothing is worked off now, as a sentence; empty while all is well."""
        ...

    def snapshot(self) -> Statistics:
        """The worker's statistics."""
        ...


#: What runs beside the worker until it has ended: pages about it, its progress on a terminal.
Companion: TypeAlias = Callable[[Host], Coroutine[Any, Any, None]]


def run_loop(work: Callable[..., Awaitable[_T]], *arguments: Any) -> _T:
    """Run an event loop; where tasks side by side failed, the error is the first one's own."""
    try:
        return anyio.run(work, *arguments)
    except BaseException as error:
        cause = error
        while isinstance(inner := getattr(cause, "exceptions", None), tuple):
            cause = inner[0]
        if cause is error:
            raise
        raise cause from None


async def with_company(
    host: Host,
    companions: Sequence[Companion],
    work: Callable[[], Awaitable[None]],
    end: Callable[[], Awaitable[None]],
) -> None:
    """Do the work to its end beside the companions; a SIGTERM or SIGINT calls `end`."""
    async with anyio.create_task_group() as group:
        group.start_soon(_watch_signals, end)
        for companion in companions:
            group.start_soon(companion, host)
        await work()
        group.cancel_scope.cancel()


def spare_collector() -> None:
    """Have the garbage collector look neither at what stays for good nor at every handful of new objects.

    An exchange leaves hardly any cycles behind, so that what is collected less often does not pile up.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_COLLECT_AFTER_OBJECTS)


async def _watch_signals(end: Callable[[], Awaitable[None]]) -> None:
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            await end()
