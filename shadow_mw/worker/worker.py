"""The worker: from deliveries to comparisons."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import anyio
import anyio.to_thread

from shadow_mw.books import Books
from shadow_mw.boundary import Guard
from shadow_mw.protocols import Delivery, Source
from shadow_mw.records import CapturedRequest, CapturedResponse, Comparison, Exchange, Message, Mode
from shadow_mw.snapshots import ShadowStatistics, Statistics
from shadow_mw.telemetry.metrics import Metrics
from shadow_mw.telemetry.providers import Telemetry
from shadow_mw.telemetry.spans import ExchangeSpans, Tracing
from shadow_mw.worker.judge import Judge, SpanIds
from shadow_mw.worker.lane import POSTPONED, Lane
from shadow_mw.worker.pending import Asked, Pending
from shadow_mw.worker.recorder import Recorder

_FINAL_FLUSH_SECONDS = 0.8
_CLOSE_SECONDS = 0.5
_TRY_AGAIN_SECONDS = 1.0


class Worker:
    """Asks every shadow for every exchange and sees to it that each ends in one place of the books."""

    def __init__(
        self,
        lanes: Sequence[Lane],
        judge: Judge,
        recorder: Recorder,
        tracing: Tracing,
        metrics: Metrics,
        telemetry: Telemetry,
        books: Books,
        *,
        flush_seconds: float,
        conceal: Callable[[Message], Message] = lambda message: message,
    ) -> None:
        """Take the parts, already wired; exporters get `flush_seconds` to hand over what they hold.

        `conceal` takes out of bodies what shadows may not see.
        """
        self._conceal = conceal
        self._lanes = lanes
        self._judge = judge
        self._recorder = recorder
        self._tracing = tracing
        self._metrics = metrics
        self._telemetry = telemetry
        self._books = books
        self._flush_seconds = flush_seconds
        self._hurried = anyio.Event()
        self._open: dict[str, Pending] = {}
        self._guard = Guard("judging an exchange")

    async def run(self, source: Source) -> None:
        """Work off the source until it ends, then stop; cancellation books what is left as lost."""
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._recorder.run, self._snapshots)
                async with anyio.create_task_group() as pool:
                    for lane in self._lanes:
                        for _ in range(lane.concurrency):
                            pool.start_soon(lane.serve, self._deal)
                    async for delivery in source.deliveries():
                        with self._guard:
                            self._take(delivery)
                    for lane in self._lanes:
                        lane.end()
                await self.flush()
                while self._recorder.must_try_again and not self._hurried.is_set():
                    with anyio.move_on_after(_TRY_AGAIN_SECONDS):
                        await self._hurried.wait()
                    await self.flush()
                group.cancel_scope.cancel()
        finally:
            await self._stop()

    async def flush(self) -> None:
        """Bring everything that is judged to the store and the exporters."""
        await self._recorder.flush()
        await anyio.to_thread.run_sync(self._telemetry.flush, self._flush_seconds, abandon_on_cancel=True)

    def hurry(self) -> None:
        """Wait no longer for shadows and stores that are down, since the worker is to end."""
        self._hurried.set()
        for lane in self._lanes:
            lane.hurry()

    def written(self, callback: Callable[[], None]) -> None:
        """Call back once everything that is judged until now is in the store, or counted as dropped."""
        self._recorder.then(callback)

    @property
    def problem(self) -> str:
        """Why what is judged is not kept, as a sentence; empty while all is well."""
        return "the store cannot be written" if self._recorder.must_try_again else ""

    def statistics(self, mode: Mode, queue: str) -> Statistics:
        """A snapshot of all shadows."""
        restraint = self._books.restraints.tightest()
        return Statistics(mode=mode, queue=queue, shadows=self._snapshots(), restraint=restraint)

    def _snapshots(self) -> tuple[ShadowStatistics, ...]:
        totals = self._books.totals()
        return tuple(
            lane.statistics({route: counts for (route, name), counts in totals.items() if name == lane.name})
            for lane in self._lanes
        )

    def _take(self, delivery: Delivery) -> None:
        message = self._conceal(delivery.message)
        if isinstance(message, Exchange):
            self._begin(Pending(message.request, message.response, delivery, self._trace))
        elif isinstance(message, CapturedRequest):
            self._begin(Pending(message, None, delivery, self._trace))
        else:
            self._answered(message, delivery)

    def _trace(self, request: CapturedRequest) -> ExchangeSpans:
        return self._tracing.begin(request, shadows=sum(lane.wants(request) for lane in self._lanes))

    def _begin(self, pending: Pending) -> None:
        self._open[pending.request.exchange_id] = pending
        settled = pending.deliveries[0].settled
        lanes = [lane for lane in self._lanes if lane.wants(pending.request) and lane.name not in settled]
        pending.open_lanes = list(lanes)
        for lane in lanes:
            if not lane.admit(pending):
                self._settle(pending, lane, "queue_full")
        if not lanes:
            self._release_if_settled(pending)

    def _answered(self, response: CapturedResponse, delivery: Delivery) -> None:
        pending = self._open.get(response.exchange_id)
        if pending is None:
            delivery.done()
            delivery.acknowledge()
            return
        pending.response = response
        pending.deliveries.append(delivery)
        asked, pending.asked = pending.asked, []
        for one in asked:
            self._conclude(pending, response, one)
        self._release_if_settled(pending)

    async def _deal(self, lane: Lane, pending: Pending) -> None:
        if pending.is_withdrawn:
            self._give_up(pending, lane)
            return
        outcome, span = await lane.ask(pending.request, lambda: pending.spans, pending.waited_seconds)
        if outcome.outcome == POSTPONED:
            return  # it stays open, and with it at its queue
        waited_seconds = max(pending.waited_seconds() - outcome.seconds, 0.0)
        asked = Asked(lane, outcome, span, waited_seconds)
        if pending.response is None:
            pending.asked.append(asked)
        else:
            self._conclude(pending, pending.response, asked)

    def _conclude(self, pending: Pending, response: CapturedResponse, asked: Asked) -> None:
        if pending.is_withdrawn:
            self._give_up(pending, asked.lane)
            return
        words: tuple[str, ...] = ("worker_lost",)
        with self._guard:
            words = (response.dropped,) if response.dropped else self._record(pending, response, asked)
        self._settle(pending, asked.lane, *words)

    def _record(self, pending: Pending, response: CapturedResponse, asked: Asked) -> tuple[str, ...]:
        """Keep the comparison; its bucket, and its verdict where it has one, are for the books."""
        if asked.span is None:
            return (asked.outcome.outcome,)
        spans = pending.spans
        judged = self._judge.comparison(
            pending.request,
            response,
            asked.outcome,
            shadow=asked.lane.name,
            role=asked.lane.role,
            waited_seconds=asked.waited_seconds,
            spans=SpanIds(spans.trace_id, spans.production_span_id, asked.span.span_id),
        )
        comparison = judged.record
        spans.end_production(response, judged.told.production_prediction)
        asked.span.end(judged.told)
        self._metrics.observe(comparison)
        self._recorder.add(comparison, may_be_repeated=pending.may_be_repeated)
        self._note_latency(asked.lane, comparison)
        is_compared = comparison.bucket == "compared"
        return (comparison.bucket, comparison.verdict) if is_compared else (comparison.bucket,)

    def _note_latency(self, lane: Lane, comparison: Comparison) -> None:
        if comparison.outcome == "answered" and comparison.production_outcome == "answered":
            lane.production_latency.add(comparison.production_us / 1e6)
            lane.shadow_latency.add(comparison.shadow_us / 1e6)

    def _settle(self, pending: Pending, lane: Lane, *words: str) -> None:
        pending.open_lanes.remove(lane)
        self._books.add(pending.request.route, (lane.name,), "eligible", *words)
        if pending.open_lanes and not pending.is_kept:
            # Or a worker that is killed now would leave the app to book what is in the store already.
            self._recorder.then(partial(pending.deliveries[0].acknowledge_part, lane.name))
        self._release_if_settled(pending)

    def _give_up(self, pending: Pending, lane: Lane) -> None:
        """Neither record nor book: the worker that has the exchange now does."""
        pending.open_lanes.remove(lane)
        self._release_if_settled(pending)

    def _release_if_settled(self, pending: Pending) -> None:
        if not pending.open_lanes and pending.response is not None:
            self._open.pop(pending.request.exchange_id, None)
            self._release(pending)

    def _release(self, pending: Pending) -> None:
        pending.release()
        # Nothing else of the exchange waits for the store: the garbage collector would look through it all.
        for delivery in pending.deliveries:
            self._recorder.then(delivery.acknowledge)

    def _lose(self, request: CapturedRequest, lanes: Sequence[Lane]) -> None:
        self._books.add(request.route, [lane.name for lane in lanes], "eligible", "worker_lost")

    async def _stop(self) -> None:
        for pending in self._open.values():
            if not pending.is_kept:
                self._lose(pending.request, pending.open_lanes)
                self._release(pending)
        self._open.clear()
        with anyio.move_on_after(_FINAL_FLUSH_SECONDS, shield=True):
            with self._guard:
                await self._recorder.flush()
            with self._guard:
                await anyio.to_thread.run_sync(self._telemetry.shutdown, _FINAL_FLUSH_SECONDS / 2)
                self._metrics.close()  # only now, for the shutdown makes the last collection
        # Not under the same deadline: a flush that takes all of it must not leave connections open.
        for lane in self._lanes:
            with anyio.move_on_after(_CLOSE_SECONDS, shield=True), self._guard:
                await lane.aclose()
        self._recorder.close()
