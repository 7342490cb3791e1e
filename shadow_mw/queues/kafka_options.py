"""What librdkafka is told: our defaults, the variables `SHADOW_KAFKA_…`, and what goes wrong with them."""

from __future__ import annotations

import difflib
import logging
import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from confluent_kafka import Consumer, KafkaException, Producer

from shadow_mw.exceptions import SettingsError
from shadow_mw.queue_urls import KAFKA_PREFIX
from shadow_mw.queues.kafka_names import CONSUMER_ONLY, PRODUCER_ONLY, SHARED

_Client = TypeVar("_Client")

_PRODUCER = {
    "enable.idempotence": "true",
    "acks": "all",
    "linger.ms": "20",
    "compression.type": "lz4",
    "queue.buffering.max.messages": "10000",
    "queue.buffering.max.kbytes": "32768",
    "message.timeout.ms": "120000",
}
_CONSUMER = {
    "group.id": "shadow_mw",
    # Longer than a worker may take to let go of its partitions.
    "max.poll.interval.ms": "600000",
    "partition.assignment.strategy": "cooperative-sticky",
    "auto.offset.reset": "earliest",
    "queued.max.messages.kbytes": "16384",
    # A topic that is made later, or gets more partitions, is found this soon.
    "topic.metadata.refresh.interval.ms": "10000",
    "allow.auto.create.topics": "false",
}
#: What our promises rest on.
_FIXED_CONSUMER = {"enable.auto.commit": "false", "enable.auto.offset.store": "false"}
_BROKERS = "leave it out: the brokers stand in SHADOW_QUEUE"
_OFFSETS = "leave it out: an exchange is done with when its comparisons are in the store, and no sooner"
_NO_TEXT = "leave it out: it can't be set as text"
_REFUSED = {
    "bootstrap.servers": _BROKERS,
    "metadata.broker.list": _BROKERS,
    "enable.auto.commit": _OFFSETS,
    "auto.commit.enable": _OFFSETS,
    "enable.auto.offset.store": _OFFSETS,
    "delivery.report.only.error": "leave it out: every delivery is counted",
    "transactional.id": "leave it out: nothing is sent in transactions",
    "interceptors": _NO_TEXT,
    "logger": _NO_TEXT,
    "opaque": _NO_TEXT,
}
#: The names that librdkafka uses in its messages for what has two.
_ALIASES = {
    "acks": "request.required.acks",
    "compression.type": "compression.codec",
    "delivery.timeout.ms": "message.timeout.ms",
    "linger.ms": "queue.buffering.max.ms",
    "max.in.flight": "max.in.flight.requests.per.connection",
    "max.partition.fetch.bytes": "fetch.message.max.bytes",
    "retries": "message.send.max.retries",
    "sasl.mechanism": "sasl.mechanisms",
}
#: Names that hold underscores, of those that can be set as text.
_UNDERSCORED = ("log_level",)
_SECRETS = ("password", "passphrase", "secret", ".pem", "sasl.oauthbearer.config")
_HIDDEN = "***"


class KafkaLog:
    """Where librdkafka's own lines go: level DEBUG of a logger of their own; what matters we say."""

    _log = logging.getLogger("shadow_mw.librdkafka")

    def log(self, _: int, line: str, *arguments: object) -> None:
        """Take a line, whatever its level."""
        self._log.debug(line, *arguments)


def environment_options(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The options that the variables `SHADOW_KAFKA_…` set, by librdkafka's names."""
    variables = os.environ if environ is None else environ
    return {
        _option(name.removeprefix(KAFKA_PREFIX)): value
        for name, value in variables.items()
        if name.startswith(KAFKA_PREFIX)
    }


def variable(option: str) -> str:
    """The variable that sets an option."""
    return KAFKA_PREFIX + option.upper().replace(".", "_")


def producer_options(brokers: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Everything that a producer is told.

    Raises:
        SettingsError: an option is ours.

    """
    _refuse(options)
    return {"bootstrap.servers": brokers, **_PRODUCER, **_without(options, CONSUMER_ONLY)}


def consumer_options(brokers: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Everything that a consumer is told.

    Raises:
        SettingsError: an option is ours.

    """
    _refuse(options)
    ours = dict(_CONSUMER)
    if options.get("group.protocol", "").lower() == "consumer":
        del ours["partition.assignment.strategy"]  # there the broker decides, and always incrementally
    return {"bootstrap.servers": brokers, **ours, **_without(options, PRODUCER_ONLY), **_FIXED_CONSUMER}


def admin_options(brokers: str, options: Mapping[str, str]) -> dict[str, Any]:
    """Everything that an admin client is told, which neither produces nor consumes."""
    return {"bootstrap.servers": brokers, **_without(options, CONSUMER_ONLY | PRODUCER_ONLY)}


def client(
    kind: Callable[..., _Client], told: Mapping[str, Any], options: Mapping[str, str], **callbacks: Any
) -> _Client:
    """A producer or consumer that is told this.

    Raises:
        SettingsError: librdkafka refused one of the user's `options`.

    """
    try:
        return kind({**told, **callbacks}, logger=KafkaLog())
    except (KafkaException, TypeError, ValueError) as error:
        raise SettingsError(_complaint(error, options)) from None  # its frames hold passwords


def check_options(options: Mapping[str, str]) -> None:
    """Make a client of each kind and forget it: for a start that is to fail where a later one would.

    Raises:
        SettingsError: an option is not the user's to set, or librdkafka refused it.

    """
    nowhere = "127.0.0.1:1"
    client(Producer, producer_options(nowhere, options), options)
    client(Consumer, consumer_options(nowhere, options), options).close()


def _option(rest: str) -> str:
    name = rest.lower()
    return name if name in _UNDERSCORED else name.replace("_", ".")


def _without(options: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name: value for name, value in options.items() if name not in names}


def _refuse(options: Mapping[str, str]) -> None:
    for name in options:
        if name in _REFUSED:
            raise SettingsError(f"{variable(name)} is not yours to set; {_REFUSED[name]}")


def _complaint(error: Exception, options: Mapping[str, str]) -> str:
    """A sentence that names the variable at fault, or all of them where several don't go together."""
    reason = error.args[0]
    text = " ".join((reason.str() if hasattr(reason, "str") else str(reason)).split())
    for name, value in options.items():
        if value and any(mark in name for mark in _SECRETS):
            text = text.replace(value, _HIDDEN)
    at_fault = [name for name in options if _is_named(name, text)] or list(options)
    names = ", ".join(variable(name) for name in at_fault) or "kafka"
    return f"{names}: {text}{_hint(at_fault) if text.startswith('No such') else ''}"


def _is_named(option: str, text: str) -> bool:
    return any(
        f"{before}{name}{after}" in f" {text} "
        for name in (option, _ALIASES.get(option, option))
        for before, after in (('"', '"'), ("`", "`"), (" ", " "))
    )


def _hint(options: list[str]) -> str:
    names = (SHARED | PRODUCER_ONLY | CONSUMER_ONLY) - _REFUSED.keys()
    near = difflib.get_close_matches(options[0], sorted(names), n=1) if options else []
    return f"; did you mean {variable(near[0])}?" if near else ""
