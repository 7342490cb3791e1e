"""One run of a replay, wired."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from shadow_mw.analysis.choice import chosen_shadow
from shadow_mw.assembly.brokers import keyring
from shadow_mw.assembly.clients import need_client
from shadow_mw.assembly.stores import open_reader
from shadow_mw.broker_protocols import Inbox
from shadow_mw.broker_worker import Consuming
from shadow_mw.envelope import Opener, Sealer
from shadow_mw.exceptions import SettingsError, StoreError
from shadow_mw.hosting import Companion, run_loop
from shadow_mw.protocols import Reader
from shadow_mw.questions.seen import seen
from shadow_mw.queue_urls import is_kafka, kafka_address
from shadow_mw.replay.choosing import Chosen, exchanges_only, features_find
from shadow_mw.replay.selection import Selection
from shadow_mw.replay.store_history import Recorded, StoreHistory
from shadow_mw.settings import Settings
from shadow_mw.snapshots import Statistics
from shadow_mw.targets import Target

if TYPE_CHECKING:
    from shadow_mw.queues.kafka_history import KafkaHistory

#: What records and spans of a replay call their queue.
QUEUE = "replay:"


class Replay(msgspec.Struct):
    """What came of a replay."""

    statistics: Statistics
    left_out: Counter[str]
    """Why recorded exchanges could not be replayed, each with how many."""
    is_whole: bool
    """False when it was stopped before its end."""


class _History(msgspec.Struct):
    """What is replayed, opened."""

    inbox: Inbox
    total: Callable[[], int | None]
    left_out: Counter[str]


class Progressing:
    """How far a replay is, for who looks at it."""

    def __init__(self, total: Callable[[], int | None], chosen: Chosen) -> None:
        """Take what tells how many letters there are, wanted or not."""
        self._total = total
        self._chosen = chosen

    @property
    def total(self) -> int | None:
        """How many letters there are; None before that is known."""
        return self._total()

    @property
    def passed(self) -> int:
        """How many of them have been looked at."""
        return self._chosen.passed


def replay(selection: Selection, settings: Settings, show: Any = None) -> Replay:
    """Ask the one target of the settings again for what was selected, and record the comparisons.

    What its records are in the store for already is not asked again, so that a replay that was stopped
    goes on where it was. `show` makes a companion of a `Progressing`.

    Raises:
        SettingsError: the selection or the target does not fit.
        StoreError: a store could not be read.
        MissingExtraError: a client or driver is not installed.

    """
    (target,) = settings.targets
    settings = settings.model_copy(update={"max_age_seconds": None})  # what is replayed is old
    _refuse_live_name(settings, target)
    with _opened(selection, settings, target) as history:
        chosen = Chosen(
            history.inbox,
            wants=_wants(selection, settings),
            limit=selection.limit,
            rate=selection.rate,
        )
        companions = [] if show is None else [show(Progressing(history.total, chosen))]
        return run_loop(_run, settings, chosen, history, companions)


async def _run(
    settings: Settings, chosen: Chosen, history: _History, companions: Sequence[Companion]
) -> Replay:
    consuming = Consuming(settings, chosen, queue=QUEUE)
    await consuming.run(companions)
    return Replay(consuming.snapshot(), history.left_out, not consuming.was_stopped)


def _wants(selection: Selection, settings: Settings) -> Any:
    if not (is_kafka(selection.source) and selection.where):
        return exchanges_only
    return features_find(selection.where, Opener(keyring(settings)), int(settings.max_body_bytes))


@contextlib.contextmanager
def _opened(selection: Selection, settings: Settings, target: Target) -> Iterator[_History]:
    if is_kafka(selection.source):
        yield _topic(selection)
        return
    if settings.features:
        raise SettingsError(
            f"SHADOW_FEATURES is {settings.features!r}, so records hold a part of each request only: replay "
            "from Kafka, or with SHADOW_FEATURES unset from a store that was filled without it"
        )
    with contextlib.closing(open_reader(selection.source)) as reader:
        yield _store(reader, selection, target)


def _topic(selection: Selection) -> _History:
    need_client(selection.source)
    from shadow_mw.queues.kafka_history import KafkaHistory

    try:
        kafka_address(selection.source)
    except ValueError as error:
        raise SettingsError(str(error)) from None
    left_out: Counter[str] = Counter()
    history = KafkaHistory(
        selection.source,
        since=None if selection.since_us is None else selection.since_us / 1e6,
        until=None if selection.until_us is None else selection.until_us / 1e6,
    )
    return _History(_Unclaimed(history, left_out), lambda: history.total, left_out)


def _store(reader: Reader, selection: Selection, target: Target) -> _History:
    shadow = chosen_shadow(reader, selection.shadow or _only_live(reader), selection.route)
    tests = [
        ("role = 'shadow' AND shadow = ?", shadow),
        ("route = ?", selection.route),
        ("ts_us >= ?", selection.since_us),
        ("ts_us < ?", selection.until_us),
    ]
    given = [(sql, value) for sql, value in tests if value is not None]
    chosen = " AND ".join(sql for sql, _ in given)
    if selection.where:
        chosen += f" AND (\n{selection.where}\n)"
    history = StoreHistory(
        reader,
        chosen,
        [value for _, value in given],
        sealer=Sealer(service=""),
        has_path=target.has_path,
    )
    return _History(history, lambda: history.total, history.left_out)


def _only_live(reader: Reader) -> str | None:
    """The one shadow that was asked live; None where there are several."""
    rows = reader.rows(
        "SELECT DISTINCT shadow FROM comparisons WHERE role = 'shadow' AND queue <> ?", [QUEUE]
    )
    return str(rows[0]["shadow"]) if len(rows) == 1 else None


class _Unclaimed:
    """A history of a topic: what can't be opened is counted and left where it is."""

    lag: int | None = None

    def __init__(self, inbox: KafkaHistory, left_out: Counter[str]) -> None:
        self._inbox = inbox
        self._left_out = left_out

    @property
    def problem(self) -> str:
        return self._inbox.problem

    async def take(self, limit: int) -> Sequence[Recorded]:
        return [Recorded(letter.envelope, self._refused) for letter in await self._inbox.take(limit)]

    def stop(self) -> None:
        self._inbox.stop()

    async def aclose(self, seconds: float) -> None:
        await self._inbox.aclose(seconds)

    def _refused(self, reason: str) -> None:
        self._left_out[reason] += 1


def _refuse_live_name(settings: Settings, target: Target) -> None:
    """Comparisons of a replay are a set of their own, and not mixed with live ones."""
    with contextlib.suppress(StoreError), contextlib.closing(open_reader(settings.store)) as reader:
        if any(one.shadow == target.name for one in seen(reader)):
            rows = reader.rows(
                "SELECT count(*) AS n FROM comparisons WHERE shadow = ? AND queue <> ?", [target.name, QUEUE]
            )
            if rows[0]["n"]:
                raise SettingsError(
                    f"--to: the store has live comparisons with {target.name!r} already: "
                    "name the replay otherwise, as in --to candidate-replay=URL"
                )
