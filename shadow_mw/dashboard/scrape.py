"""The page of the dashboard that Prometheus scrapes: how each shadow stands, as gauges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, get_args

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from shadow_mw.analysis.criteria import Criteria
from shadow_mw.analysis.decision import Word
from shadow_mw.dashboard.answers import Answers, StillAsking
from shadow_mw.dashboard.selection import now_us
from shadow_mw.dashboard.standing import Standing, Standings, make_standings
from shadow_mw.exceptions import MissingExtraError, ShadowMWError
from shadow_mw.stats import Estimate
from shadow_mw.telemetry import names
from shadow_mw.telemetry.names import StoreGauge

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

#: However often it is scraped, the store is asked no more often than this.
GOOD_SECONDS = 30.0
#: Prometheus gives up after 10 seconds unless told otherwise; by then the last figures stand in.
PATIENCE_SECONDS = 5.0
_SHADOW = names.SHADOW_NAME.replace(".", "_")


class Scrape:
    """The endpoint `/metrics` over one store. A scrape waits a few seconds at most."""

    def __init__(self, answers: Answers, criteria: Criteria) -> None:
        """Take where answers come from, and the limits of the gate."""
        self._answers = answers
        self._criteria = criteria

    def __repr__(self) -> str:
        """Name its answers."""
        return f"Scrape({self._answers!r})"

    async def metrics(self, request: Request) -> Response:
        """The figures as Prometheus reads them; 503 and a sentence where there are none."""
        del request
        try:
            text, kind = exposition(await self._standings())
        except StillAsking:
            return _refusal("the store is being read for the first time; ask again in a moment")
        except ShadowMWError as error:
            return _refusal(str(error))
        return Response(text, headers={"cache-control": "no-store", "content-type": kind})

    async def _standings(self) -> Standings:
        if self._answers.is_absent:  # nothing was mirrored yet, which is no failure of this page
            return Standings(read_us=now_us())
        return await self._answers.ask_soon(
            "standings",
            lambda reader: make_standings(reader, self._criteria, now_us()),
            PATIENCE_SECONDS,
            good_seconds=GOOD_SECONDS,
        )


def exposition(standings: Standings) -> tuple[bytes, str]:
    """The figures in Prometheus's text format, and their content type.

    Raises:
        MissingExtraError: the extra `dashboard` is not installed.

    """
    try:
        import prometheus_client
    except ImportError:
        raise MissingExtraError("The dashboard's /metrics", "dashboard") from None
    registry = prometheus_client.CollectorRegistry()
    registry.register(_Collector(standings))
    return prometheus_client.generate_latest(registry), prometheus_client.CONTENT_TYPE_LATEST


class _Collector:
    """What prometheus_client asks for its families."""

    def __init__(self, standings: Standings) -> None:
        self._standings = standings

    def collect(self) -> Iterator[GaugeMetricFamily]:
        from prometheus_client.core import GaugeMetricFamily

        found = self._standings
        for gauge, value in (
            (names.STORE_SHADOWS, len(found.shadows)),
            (names.STORE_READ, found.read_us / 1e6),
        ):
            yield GaugeMetricFamily(gauge.name, gauge.meaning, value=value)
        readings = {standing.shadow: _readings(standing) for standing in found.shadows}
        for gauge in _OF_A_SHADOW:
            labels = [_SHADOW, gauge.label] if gauge.label else [_SHADOW]
            family = GaugeMetricFamily(gauge.name, gauge.meaning, labels=labels)
            for shadow, known in readings.items():
                for word, value in known[gauge].items():
                    family.add_metric([shadow, word][: len(labels)], value)
            yield family


_OF_A_SHADOW = tuple(
    gauge for gauge in names.STORE_GAUGES if gauge not in (names.STORE_SHADOWS, names.STORE_READ)
)


def _readings(standing: Standing) -> dict[StoreGauge, Mapping[str, float]]:
    """The values of each gauge by the value of its label; what is not known is left out."""
    analysis = standing.analysis
    account, agreement = analysis.account, analysis.agreement
    return {
        names.STORE_REQUESTS: {**account.buckets, "unaccounted": account.unaccounted},
        names.STORE_COMPARISONS: {
            word: getattr(agreement, word) for word in ("agree", "disagree", "incomparable")
        },
        names.STORE_COVERAGE: _known(account.coverage.rate),
        names.STORE_AGREEMENT: _agreement(agreement.always),
        names.STORE_GATE: {word: int(word == standing.gate) for word in get_args(Word)},
        names.STORE_RATE: {"": standing.eligible_per_second},
        names.STORE_COMPARED: _seconds(analysis.last_us),
        names.STORE_PULSE: _seconds(standing.last_pulse_us),
        names.STORE_WORKERS: {"": standing.workers},
    }


def _agreement(found: Estimate) -> Mapping[str, float]:
    if found.value is None:
        return {}
    return {"estimate": found.value, "low": found.low, "high": found.high}


def _known(value: float | None) -> Mapping[str, float]:
    return {} if value is None else {"": value}


def _seconds(moment_us: int | None) -> Mapping[str, float]:
    return {} if moment_us is None else {"": moment_us / 1e6}


def _refusal(sentence: str) -> Response:
    text = f"{sentence[:1].upper()}{sentence[1:].rstrip('.')}.\n"
    return PlainTextResponse(text, 503, headers={"cache-control": "no-store"})
