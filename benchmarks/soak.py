"""Whether production stays what it is for as long as it runs, whatever goes wrong beside it.

    python benchmarks/soak.py [--minutes N] [--seed N] [--app fastapi|flask] [--queue process:|inline:|unix:]
        [--rate R] [--callers N] [--json FILE]

The same app runs twice: mirrored, and as its own twin without the line. Callers ask both the same, at random
from the seed, and compare what they hear, byte for byte. Meanwhile one fault after the other comes over the
shadows, the collector, the store and the mirror process. In the end each request has to be in the books of
each shadow, once, and no process may hold more than it did: neither memory nor descriptors, threads or
children. The exit code is 1 where one of these does not hold. Content and order of requests and faults follow
from the seed; when they meet does not. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import signal
import sys
import tempfile
import time
from pathlib import Path

from soak_callers import Callers, Ledger
from soak_faults import Faults
from soak_site import Site
from soak_verdict import Places, Verdict
from soak_watch import Memory

_WARM_SHARE = 0.05
_MOST_WARM_SECONDS = 20.0
#: After so much of the run the mirror process is killed no more, so that its memory can be looked at.
_KILL_SHARE = 0.5
_SAMPLES = 400
_FAULT_SECONDS = 3.0


class Soak:
    """One run on a site that is up."""

    def __init__(self, site: Site, options: argparse.Namespace) -> None:
        self._site = site
        self._seed = str(options.seed)
        self._seconds = options.minutes * 60
        self._rate, self._callers = options.rate, options.callers
        self.ledger = Ledger()
        self.memory = {name: Memory() for name in ("production", "twin", "mirror")}
        self.faults: Faults | None = None
        self.before, self.after = Places(), Places()

    async def run(self) -> None:
        warm_seconds = min(self._seconds * _WARM_SHARE, _MOST_WARM_SECONDS)
        await self._traffic("warm up", warm_seconds)
        await asyncio.to_thread(self._site.wait_for_books, self.ledger.places["eligible"])
        self.before = await Places.at_rest(self._site)
        seconds = self._seconds - warm_seconds
        self.faults = Faults(
            self._site,
            self._seed,
            seconds=min(_FAULT_SECONDS, seconds / 10),
            kill_until=seconds * _KILL_SHARE,
        )
        troubles = [asyncio.create_task(self.faults.run()), asyncio.create_task(self._watch())]
        await self._traffic("main", seconds)
        for one in troubles:
            one.cancel()
        for one in troubles:
            with contextlib.suppress(asyncio.CancelledError):
                await one
        await asyncio.to_thread(self._site.wait_for_books, self.ledger.places["eligible"])
        self.after = await Places.at_rest(self._site, like=self.before)

    async def _traffic(self, part: str, seconds: float) -> None:
        ports = (self._site.production.port, self._site.twin.port)
        callers = Callers(f"{self._seed} {part}", ports, self._rate, self._callers, self.ledger)
        asyncio.get_running_loop().call_later(seconds, callers.stop)
        await callers.run()

    async def _watch(self) -> None:
        begun = time.monotonic()
        while True:
            places = Places.pids(self._site)
            for name, memory in self.memory.items():
                memory.sample(time.monotonic() - begun, places[name])
            await asyncio.sleep(max(self._seconds / _SAMPLES, 0.25))


def soak(options: argparse.Namespace, folder: Path) -> Verdict:
    """Run, and judge."""
    queue = f"unix://{folder}/worker.sock" if options.queue == "unix:" else options.queue
    with Site(folder, options.app, queue) as site:
        run = Soak(site, options)
        asyncio.run(run.run())
        mirrors = site.mirrors()
        site.stop()
        assert run.faults is not None
        return Verdict(
            seed=options.seed,
            app=options.app,
            queue=options.queue,
            minutes=options.minutes,
            ledger=run.ledger,
            books=site.books(),
            kills=run.faults.kills,
            faults=run.faults.timeline,
            before=run.before,
            after=run.after,
            growth={name: memory.growth() for name, memory in run.memory.items()},
            left=site.wait_gone(mirrors),
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--minutes", type=float, default=20.0, help="how long (20)")
    parser.add_argument("--seed", type=int, help="repeats a run; drawn and shown where it is not given")
    parser.add_argument(
        "--app", choices=("fastapi", "flask"), default="fastapi", help="under uvicorn, gunicorn"
    )
    parser.add_argument("--queue", choices=("process:", "inline:", "unix:"), default="process:")
    parser.add_argument("--rate", type=float, default=40.0, help="requests a second, about (40)")
    parser.add_argument("--callers", type=int, default=8, help="how many ask at once (8)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures there")
    options = parser.parse_args()
    if options.minutes <= 0 or options.rate <= 0 or options.callers < 1:
        parser.error("--minutes, --rate and --callers have to be more than 0")
    if options.seed is None:
        options.seed = random.SystemRandom().randrange(10**6)
    return options


def main() -> None:
    options = _options()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    print(f"seed {options.seed}: {options.app}, {options.queue}, {options.minutes:g} minutes", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        verdict = soak(options, Path(folder))
    print(verdict.report())
    if options.json is not None:
        options.json.write_text(json.dumps(verdict.figures(), indent=2) + "\n")
    sys.exit(bool(verdict.failures()))


if __name__ == "__main__":
    main()
