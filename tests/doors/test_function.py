"""`@shadow_mw.shadow(challenger)`: the calls of a plain function, mirrored."""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import inspect
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import trio
from server_process import read_store
from stub_shadow import Reply, StubShadow

import shadow_mw
from shadow_mw import SettingsError, UsageError
from shadow_mw.assembly.installation import installations
from shadow_mw.records import BUCKETS


class Books:
    """The mirrors that a test has made."""

    def __init__(self) -> None:
        self._before = set(installations())

    def counts(self, shadow: str = "shadow") -> dict[str, int]:
        assert shadow_mw.drain(30)
        [mine] = [one for one in installations() if one not in self._before]
        [told] = [one for one in mine.statistics().shadows if one.shadow == shadow]
        [counts] = told.routes.values() or [{}]
        assert sum(counts.get(bucket, 0) for bucket in BUCKETS) == counts.get("eligible", 0), counts
        return counts


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def records(tmp_path: Path) -> Callable[[], list[dict[str, Any]]]:
    """What the test's store holds, once everything is in it."""

    def read() -> list[dict[str, Any]]:
        assert shadow_mw.drain(30)
        return read_store(tmp_path / "store")[0]

    return read


def summed(features: Any) -> Any:
    return {"y": sum(features["x"])}


def test_a_call_is_mirrored_and_its_result_is_the_very_object(books, records):
    answer = {"y": 3}

    @shadow_mw.shadow(summed)
    def predict(features: dict[str, list[int]]) -> dict[str, int]:
        """Predict."""
        assert features
        return answer

    assert predict({"x": [1, 2]}) is answer
    assert books.counts() == {"eligible": 1, "compared": 1, "agree": 1}
    [record] = records()
    assert record["route"] == f"POST /{__name__}.{predict.__qualname__}"
    assert (json.loads(record["features"]), record["production_us"] > 0) == ({"x": [1, 2]}, True)
    assert (predict.__name__, predict.__doc__) == ("predict", "Predict.")
    assert list(inspect.signature(predict).parameters) == ["features"]


def test_an_exception_is_the_very_object_and_counts_as_productions_error(books):
    error = ValueError("no")

    @shadow_mw.shadow(summed)
    def predict(features: Any) -> Any:
        raise error

    with pytest.raises(ValueError, match="no") as raised:
        predict({"x": []})
    assert raised.value is error
    assert books.counts() == {"eligible": 1, "production_error": 1}


@pytest.mark.parametrize("run", [asyncio.run, lambda made: trio.run(lambda: made)], ids=["asyncio", "trio"])
def test_an_async_function_on_any_loop(books, run):
    answer = {"y": 3}

    @shadow_mw.shadow(summed)
    async def predict(features: Any) -> Any:
        return answer

    async def main() -> None:
        assert await predict({"x": [1, 2]}) is answer

    assert inspect.iscoroutinefunction(predict)
    run(main())
    assert books.counts() == {"eligible": 1, "compared": 1, "agree": 1}


def test_a_cancelled_call_is_productions_error(books):
    @shadow_mw.shadow(summed)
    async def predict(features: Any) -> Any:
        await asyncio.Event().wait()

    async def main() -> None:
        task = asyncio.create_task(predict({"x": [1]}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert books.counts() == {"eligible": 1, "production_error": 1}


def test_the_caller_does_not_wait_for_the_challenger(books):
    release = threading.Event()

    @shadow_mw.shadow(lambda features: release.wait(30), timeout_seconds=60)
    def predict(features: Any) -> Any:
        return True

    started = time.monotonic()
    predict(1)
    assert time.monotonic() - started < 20
    release.set()
    assert books.counts() == {"eligible": 1, "compared": 1, "agree": 1}


def test_the_challenger_gets_arguments_of_its_own_and_is_called_like_the_function(books):
    seen = []

    def challenger(features: dict[str, Any], /, scale: int = 1, *more: int, flag: bool, **rest: Any) -> Any:
        seen.append((dict(features), scale, more, flag, rest))
        features.clear()
        return 0

    @shadow_mw.shadow(challenger)
    def predict(features: dict[str, Any], /, scale: int = 1, *more: int, flag: bool, **rest: Any) -> int:
        features["mine"] = True
        return 0

    given = {"a": [1]}
    predict(given, 2, 3, 4, flag=True, other="x")
    predict(given, flag=False)
    assert books.counts() == {"eligible": 2, "compared": 2, "agree": 2}
    assert given == {"a": [1], "mine": True}
    assert ({"a": [1]}, 2, (3, 4), True, {"other": "x"}) in seen
    assert ({"a": [1], "mine": True}, 1, (), False, {}) in seen


def test_methods_leave_their_object_out(books, records):
    class Model:
        @shadow_mw.shadow(lambda x: x + 1)
        def predict(self, x: int) -> int:
            return x + self.bias

        bias = 1

    model = Model()
    assert (model.predict(1), Model.predict(model, x=2)) == (2, 3)
    assert books.counts() == {"eligible": 2, "compared": 2, "agree": 2}
    assert sorted(record["features"] for record in records()) == ["1", "2"]


def test_static_and_class_methods(books):
    class Model:
        @staticmethod
        @shadow_mw.shadow(lambda x: x)
        def predict(x: int) -> int:
            return x

    assert (Model.predict(1), Model().predict(2)) == (1, 2)
    assert books.counts()["agree"] == 2


class Features(pydantic.BaseModel):
    x: list[float]
    at: dt.datetime


@dataclasses.dataclass
class Point:
    x: float
    y: np.ndarray


class Frame:
    """A frame as Pandas has it, as far as is looked at."""

    size = 2

    def to_dict(self, orient: str) -> Any:
        assert orient == "records"
        return [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("features", "expected"),
    [
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (np.float32(0.5), 0.5),
        (Features(x=[1], at=dt.datetime(2026, 1, 2)), {"x": [1.0], "at": "2026-01-02T00:00:00"}),
        (Point(1.0, np.array([1, 2])), {"x": 1.0, "y": [1, 2]}),
        (Frame(), [{"a": 1}, {"a": 2}]),
        ({1: (2, float("nan"))}, None),
        ({3}, [3]),
        (dt.date(2026, 1, 2), "2026-01-02"),
    ],
)
def test_what_models_take_is_turned_into_json(books, features, expected):
    seen = []

    @shadow_mw.shadow(seen.append)
    def predict(features: Any) -> Any:
        return None

    predict(features)
    assert books.counts()["eligible"] == 1
    if expected is not None:
        assert seen == [expected]


def test_what_has_no_json_is_counted_and_not_raised(books, caplog):
    @shadow_mw.shadow(lambda features: 1)
    def predict(features: Any) -> Any:
        return features if isinstance(features, int) else None

    assert predict(object()) is None
    round_trip: list[Any] = []
    round_trip.append(round_trip)
    assert predict(round_trip) is None
    assert predict(1) == 1
    assert books.counts() == {"request_incomplete": 2, "eligible": 1, "compared": 1, "agree": 1}
    assert "production is not affected" in caplog.text


def test_a_result_without_json_is_incomparable(books, records):
    answer = object()

    @shadow_mw.shadow(lambda features: 1)
    def predict(features: Any) -> Any:
        return answer

    assert predict(1) is answer
    assert books.counts() == {"eligible": 1, "incomparable": 1}
    assert "has no JSON" in records()[0]["reason"]


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_what_is_too_large_is_counted_and_not_written_out(books, mode):
    @shadow_mw.shadow(lambda features: 1, max_body_bytes=1000, mode=mode)
    def predict(features: Any) -> Any:
        return features

    class Endless:
        size = 10**12

        def tolist(self) -> Any:
            raise AssertionError("nobody may ask for it")

    class Result(int):
        pass

    predict(Endless())
    predict("x" * 2000)
    assert books.counts() == {"eligible": 2, "too_large": 2}


@pytest.mark.parametrize("mode", ["async", "sync"])
def test_a_result_that_is_too_large(books, mode):
    @shadow_mw.shadow(lambda features: 1, max_body_bytes=1000, mode=mode)
    def predict(features: Any) -> Any:
        return np.zeros(10_000)

    predict(1)
    assert books.counts() == {"eligible": 1, "too_large": 1}


def test_settings_are_the_middlewares(books):
    @shadow_mw.shadow({"near": lambda x: x + 0.01, "far": lambda x: x + 1}, compare="close", atol=0.1)
    def predict(x: float) -> float:
        return x

    predict(1.0)
    assert books.counts("near") == {"eligible": 1, "compared": 1, "agree": 1}
    assert books.counts("far") == {"eligible": 1, "compared": 1, "disagree": 1}


def test_what_the_environment_says_of_requests_over_http_does_not_concern_a_function(books, monkeypatch):
    for name, value in {
        "TARGETS": "http://127.0.0.1:9",
        "ROUTES": "POST /predict",
        "COMPARE": "POST /predict=label, *=exact",
        "PREDICTION": "deep.inside",
        "FEATURES": "instances",
        "CONTROL": "self",
        "CONTROL_ROUTES": "POST /predict",
        "QUEUE": "process:",
    }.items():
        monkeypatch.setenv(f"SHADOW_{name}", value)

    @shadow_mw.shadow(summed)
    def predict(features: Any) -> Any:
        return summed(features)

    predict({"x": [1]})
    assert books.counts() == {"eligible": 1, "compared": 1, "agree": 1}
    [told] = [one for one in shadow_mw.statistics() if one.shadows[0].url.endswith("test_function:summed")][
        -1:
    ]
    assert [one.shadow for one in told.shadows] == ["shadow"]


def test_sampling_goes_by_the_request_id(books):
    seen = []

    @shadow_mw.shadow(seen.append, sample_rate=0.5, request_id_from="order")
    def predict(order: str) -> None:
        return None

    for number in range(40):
        predict(f"order-{number}")
    counts = books.counts()
    assert counts["not_sampled"] + counts["eligible"] == 40
    assert 5 < counts["eligible"] < 35
    first = set(seen)
    for number in range(40):
        predict(f"order-{number}")
    assert books.counts()["eligible"] == 2 * len(first)
    assert set(seen) == first


def test_the_request_id_is_a_parameters_or_the_contexts_or_a_new_one(books, records):
    inside = []

    @shadow_mw.shadow(lambda order, x: x, request_id_from="order")
    def predict(order: str | None, x: int) -> int:
        inside.append(shadow_mw.request_id.get())
        return x

    predict("order-1", 1)
    token = shadow_mw.request_id.set("mine-2")
    predict("not an id", 2)
    assert shadow_mw.request_id.get() == "mine-2"
    shadow_mw.request_id.reset(token)
    predict("\n", x=3)
    assert shadow_mw.request_id.get() == ""
    assert inside[:2] == ["order-1", "mine-2"]
    assert len(inside[2]) == 36
    assert sorted(record["request_id"] for record in records()) == sorted(inside)


def test_a_challenger_that_calls_production_makes_no_loop(books):
    @shadow_mw.shadow(lambda x: predict(x) + 0)
    def predict(x: int) -> int:
        return x

    predict(1)
    assert books.counts() == {"eligible": 1, "compared": 1, "agree": 1, "loop": 1}


def test_off_is_the_function_itself(monkeypatch):
    monkeypatch.setenv("SHADOW_ENABLED", "0")

    def predict(x: int) -> int:
        return x

    assert shadow_mw.shadow(summed)(predict) is predict
    assert shadow_mw.request_id.get() == ""


def test_a_url_is_sent_the_features(books):
    with StubShadow(lambda asked: Reply(body=b'{"price": 4}')) as stub:

        @shadow_mw.shadow(f"candidate={stub.url}/v2/predict", prediction="price")
        def predict(rooms: int, city: str = "") -> int:
            return 2 * rooms

        assert predict(2, city="Bern") == 4
        assert books.counts("candidate") == {"eligible": 1, "compared": 1, "agree": 1}
        [asked] = stub.asked
    assert (asked.method, asked.target) == ("POST", "/v2/predict")
    assert json.loads(asked.body) == {"rooms": 2, "city": "Bern"}
    assert asked.header("content-type") == "application/json"


class Callable_:
    """A model that is called itself."""

    def __call__(self, x: int) -> int:
        return x


class AsyncCallable:
    async def __call__(self, x: int) -> int:
        return x


def test_objects_that_are_called(books):
    predict = shadow_mw.shadow(AsyncCallable())(Callable_())
    assert predict(3) == 3
    assert books.counts()["agree"] == 1


def test_an_object_with_an_async_call(books):
    predict = shadow_mw.shadow(Callable_())(AsyncCallable())
    assert asyncio.run(predict(3)) == 3
    assert books.counts()["agree"] == 1


def generator(x: int) -> Any:
    yield x


async def async_generator(x: int) -> Any:
    yield x


@pytest.mark.parametrize(
    ("challenger", "function", "sentence"),
    [
        (summed, generator, "generator is a generator, which has no one prediction"),
        (summed, async_generator, "async_generator is a generator"),
        (summed, Books, "is a class: write @shadow_mw.shadow(challenger) above"),
        (summed, {"x": 1}, "is not a function: write @shadow_mw.shadow(challenger)"),
        (summed, staticmethod(summed), "@staticmethod stands below @shadow_mw.shadow: write it above"),
        (summed, classmethod(summed), "@classmethod stands below"),
        (3, summed, "3 can't be asked: give a callable, a URL"),
        ({}, summed, "no challenger in an empty mapping"),
    ],
)
def test_what_can_not_be_mirrored_is_refused_at_once(challenger, function, sentence):
    with pytest.raises(UsageError) as raised:
        shadow_mw.shadow(challenger)(function)
    assert sentence in str(raised.value)


@pytest.mark.parametrize(
    ("challenger", "settings", "sentence"),
    [
        ("http://127.0.0.1:9", {}, "names no path: write the one to ask, as in http://127.0.0.1:9/predict"),
        ("nowhere", {}, "'nowhere' is not a target"),
        ({"a b": summed}, {}, "'a b' is not a name of a shadow"),
        (summed, {"routes": "POST /predict"}, "'routes' has no meaning for a function"),
        (summed, {"control": "self"}, "control='self' has no meaning for a function"),
        (summed, {"sample_rat": 1}, "did you mean 'sample_rate'"),
        (summed, {"queue": "process:"}, "can't leave the app's process"),
    ],
)
def test_wrong_settings_get_a_sentence(challenger, settings, sentence):
    with pytest.raises(SettingsError) as raised:
        shadow_mw.shadow(challenger, **settings)(lambda x: x)
    assert sentence in str(raised.value)


def test_a_parameter_that_is_none():
    with pytest.raises(UsageError, match="request_id_from='order' is no parameter of"):
        shadow_mw.shadow(summed, request_id_from="order")(lambda x: x)


SCRIPT = """
import shadow_mw

@shadow_mw.shadow({challenger!r}, queue={queue!r})
def predict(x):
    return x + 1

def challenger(x):
    return x + 1

if __name__ == "__main__":
    for number in range(20):
        predict(number)
"""


@pytest.mark.parametrize("queue", ["inline:", "process:"])
def test_a_script_that_ends_at_once_loses_nothing(tmp_path, queue):
    """A python: challenger, in a process of its own, and nobody calls drain()."""
    (tmp_path / "batch.py").write_text(SCRIPT.format(challenger="python:batch:challenger", queue=queue))
    runtime = tmp_path / "run"
    runtime.mkdir(mode=0o700)
    environment = {**os.environ, "SHADOW_DRAIN_SECONDS": "60", "SHADOW_TIMEOUT_SECONDS": "60"}
    environment |= {"XDG_RUNTIME_DIR": str(runtime), "OTEL_SDK_DISABLED": "true"}
    done = subprocess.run(
        [sys.executable, "batch.py"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    deadline = time.monotonic() + 60
    while (counts := read_store(tmp_path / "store")[1]).get("agree", 0) < 20:
        assert time.monotonic() < deadline, (counts, done.stderr)
        time.sleep(0.05)  # another process gives no event to wait for
    assert counts == {"eligible": 20, "compared": 20, "agree": 20}


TYPED = """
import shadow_mw

def candidate(x: int) -> int: return x

@shadow_mw.shadow(candidate, compare="close")
def predict(x: int) -> int: return x

@shadow_mw.shadow({"a": candidate, "b": "http://a/b"})
async def later(x: int, *, y: str = "") -> float: return x

class Model:
    @shadow_mw.shadow(candidate)
    def predict(self, x: int) -> int: return x

async def right() -> float: return predict(1) + Model().predict(x=1) + await later(1, y="")
predict("x")
Model().predict()
shadow_mw.shadow(candidate, sample_rat=1)
"""


def test_a_type_checker_sees_the_functions_own_signature(tmp_path):
    (tmp_path / "typed.py").write_text(TYPED)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", str(tmp_path / "typed.py")],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    found = [
        (int(line.split(":")[1]), line.rpartition("[")[2])
        for line in done.stdout.splitlines()
        if ": error:" in line
    ]
    assert found == [(17, "arg-type]"), (18, "call-arg]"), (19, "call-arg]")], done.stdout
