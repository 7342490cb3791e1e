"""The page that Prometheus scrapes: all metrics of a worker in its text format."""

from __future__ import annotations

import inspect
import threading
from typing import TYPE_CHECKING, Any

from shadow_mw.exceptions import MissingExtraError

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics.export import MetricReader


class PrometheusPage:
    """The metrics of the provider that `reader` is given to, read when the page is asked for. Thread-safe.

    Its registry is its own, so that the page shows this mirror's metrics and no other; with an exporter that
    can't be told of a registry it is the default one.
    """

    def __init__(self, feature: str) -> None:
        """Make the reader for the `feature` that needs it, as in `SHADOW_WORKER_LISTEN`.

        Raises:
            MissingExtraError: the extra `worker` is not installed.

        """
        try:
            import opentelemetry.exporter.prometheus  # noqa: F401 seen here, so that no later step can miss it
            import prometheus_client
        except ImportError:
            raise MissingExtraError(feature, "worker") from None
        self._write = prometheus_client.generate_latest
        self._content_type = prometheus_client.CONTENT_TYPE_LATEST
        self._registry, self.reader = _registered()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """A name."""
        return "PrometheusPage()"

    def text(self) -> tuple[bytes, str]:
        """The metrics as they are now, and the content type; nothing once the provider has been shut down."""
        with self._lock:  # two scrapes at once would each find what the other has collected
            return self._write(self._registry), self._content_type


def _registered() -> tuple[Any, MetricReader]:
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import REGISTRY, CollectorRegistry

    class ScrapedReader(PrometheusMetricReader):
        """Collects for a scrape alone."""

        def force_flush(self, timeout_millis: float = 10_000) -> bool:  # noqa: ARG002 the SDK's signature
            # The exporter's own would keep each flush for the next scrape, which then had every sample twice.
            return True

    if "registry" not in inspect.signature(PrometheusMetricReader).parameters:
        return REGISTRY, ScrapedReader()
    registry = CollectorRegistry()
    return registry, ScrapedReader(registry=registry)
