"""WSGI apps made of steps that hypothesis chooses: well-behaved or not."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

octets = st.binary(max_size=12)
sizes = st.one_of(st.none(), st.integers(-1, 7))
errors = st.sampled_from([ValueError, KeyError, OSError, RuntimeError, SystemExit])

names = st.sampled_from(["Content-Type", "Set-Cookie", "X-Odd", "Content-Encoding", "Content-Length"])
values = st.text(st.characters(min_codepoint=1, max_codepoint=255), max_size=8)
header_lists = st.lists(st.tuples(names, values), max_size=4)
statuses = st.one_of(
    st.integers(200, 599).map(lambda code: f"{code} Reason"),
    st.sampled_from(["200", "", "twohundred", "200 Ünïcode", None]),
)

reads = st.one_of(
    st.tuples(st.sampled_from(["read", "readline", "readlines", "read1"]), sizes),
    st.tuples(st.sampled_from(["read", "readline", "readlines", "read1"])),
    st.sampled_from([("iterate",), ("next",), ("tell",), ("server_attribute",), ("no_such_attribute",)]),
    st.tuples(st.just("readinto"), st.integers(0, 7)),
    st.tuples(st.just("seek"), st.integers(0, 3)),
)
starts = st.one_of(
    st.tuples(st.just("start"), statuses, header_lists),
    st.tuples(st.just("start"), st.just("200 OK"), st.just([("Content-Type", "text/plain")])),
    st.tuples(st.just("start again"), statuses, header_lists),
    st.tuples(
        st.just("start"), st.just("200 OK"), st.sampled_from([None, (), (("X", "1"),), [("X", 1)], [1]])
    ),
    st.tuples(st.just("start with"), st.lists(st.just("200 OK"), max_size=4)),
)
others = st.one_of(
    st.tuples(st.just("raise"), errors),
    st.tuples(st.just("write"), st.one_of(octets, st.just("text"))),
)
chunks = st.one_of(octets, octets, octets, st.just("text"), st.just(bytearray(b"array")), st.none())
steps = st.one_of(reads, starts, others)
kinds = st.sampled_from(
    ["list", "tuple", "generator", "iterable", "sized", "closing", "file", "none", "text", "list of its own"]
)


@dataclass
class Plan:
    """What an app does: before it returns, between its chunks, and in `close()`."""

    before: list[Any]
    kind: str
    during: list[Any]
    """Steps, and `("chunk", …)` for what is yielded."""
    fails_in_close: bool


during = st.lists(st.one_of(st.tuples(st.just("chunk"), chunks), st.tuples(st.just("chunk"), octets), steps))
plans = st.builds(
    Plan,
    before=st.lists(steps, max_size=5),
    kind=kinds,
    during=during.map(lambda steps: steps[:6]),
    fails_in_close=st.sampled_from([False, False, False, True]),
)
#: What most apps are like, so that whole exchanges are frequent.
usual = st.builds(
    Plan,
    before=st.tuples(
        st.sampled_from([("read",), ("readlines",), ("iterate",), ("read", 3)]),
        st.tuples(st.just("start"), st.sampled_from(["200 OK", "404 No"]), header_lists),
    ).map(list),
    kind=kinds,
    during=st.lists(st.tuples(st.just("chunk"), octets), max_size=4),
    fails_in_close=st.just(False),
)


@dataclass
class Scripted:
    """An app that carries out a plan and notes what it got for it."""

    plan: Plan
    got: list[Any] = field(default_factory=list)
    closes: int = 0

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        run = _Run(self, environ, start_response)
        for step in self.plan.before:
            run.do(step)
        return _RESULTS[self.plan.kind](run)


class _Run:
    """One request under way."""

    def __init__(self, app: Scripted, environ: dict[str, Any], start_response: Any) -> None:
        self.app = app
        self.environ = environ
        self.start_response = start_response
        self.write: Any = None

    def do(self, step: tuple[Any, ...]) -> None:
        name, *arguments = step
        if name == "raise":
            raise arguments[0]("the app's own")
        if name == "start":
            self.write = self.start_response(*arguments)
        elif name == "start with":
            self.write = self.start_response(*arguments[0])
        elif name == "start again":
            try:
                raise LookupError("while it answered")
            except LookupError:
                self.write = self.start_response(*arguments, sys.exc_info())
        elif name == "write":
            self.app.got.append(self.write(*arguments))
        else:
            self.app.got.append(_read(self.environ["wsgi.input"], name, *arguments))

    def steps(self) -> Any:
        for step in self.app.plan.during:
            if step[0] == "chunk":
                yield step[1]
            else:
                self.do(step)

    def chunks(self) -> list[Any]:
        return [step[1] for step in self.app.plan.during if step[0] == "chunk"]

    def close(self) -> None:
        self.app.closes += 1
        if self.app.plan.fails_in_close:
            raise ZeroDivisionError("in close")


def _read(stream: Any, name: str, *arguments: Any) -> Any:
    if name == "iterate":
        return list(stream)
    if name == "next":
        return next(stream, "no more")
    if name == "readinto":
        buffer = bytearray(*arguments)
        return getattr(stream, name, len)(buffer), bytes(buffer)
    method = getattr(stream, name, None)  # a server need not have it
    return method(*arguments) if callable(method) else method


class _Iterable:
    def __init__(self, run: _Run) -> None:
        self.run = run

    def __iter__(self) -> Any:
        return self.run.steps()


class _Sized(_Iterable):
    def __len__(self) -> int:
        return len(self.run.chunks())


class _Closing(_Iterable):
    def close(self) -> None:
        self.run.close()


class _List(list[Any]):
    def __init__(self, run: _Run) -> None:
        super().__init__(run.chunks())
        self.close = run.close


def _file(run: _Run) -> Any:
    return run.environ["wsgi.file_wrapper"](io.BytesIO(b"the content of a file"))


def _generator(run: _Run) -> Any:
    try:
        yield from run.steps()
    finally:
        run.app.closes += 1


_RESULTS: dict[str, Any] = {
    "list": _Run.chunks,
    "tuple": lambda run: tuple(run.chunks()),
    "generator": _generator,
    "iterable": _Iterable,
    "sized": _Sized,
    "closing": _Closing,
    "file": _file,
    "none": lambda run: None,
    "text": lambda run: "text",
    "list of its own": _List,
}
