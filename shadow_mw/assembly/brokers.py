"""What stands at the two ends of a broker, wired."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from shadow_mw.assembly.clients import need_client
from shadow_mw.assembly.concealing import conceal
from shadow_mw.assembly.stores import make_store
from shadow_mw.assembly.unasked import unasked
from shadow_mw.books import Books
from shadow_mw.broker_protocols import Inbox, Sender
from shadow_mw.encryption import Keyring
from shadow_mw.envelope import Opener, Sealer
from shadow_mw.ids import record_id_of
from shadow_mw.protocols import Kept
from shadow_mw.queue_urls import is_kafka, sqs_address
from shadow_mw.queues.broker_source import BrokerSource, Settled
from shadow_mw.queues.forwarder import Forwarder
from shadow_mw.records import CapturedRequest
from shadow_mw.settings import Settings
from shadow_mw.telemetry.providers import service_name
from shadow_mw.values import CONTROL


def keyring(settings: Settings) -> Keyring | None:
    """The keys that the settings name, or None.

    Raises:
        SettingsError: the file is not one of keys.

    """
    return Keyring.from_file(settings.encryption_keys) if settings.encryption_keys else None


def make_forwarder(settings: Settings, books: Books) -> Forwarder:
    """What an app has in place of a worker where the queue is a broker.

    Raises:
        SettingsError: the client refuses an option, or a key can't be read.
        MissingExtraError: the client is not installed.

    """
    need_client(settings.queue)
    service = service_name()
    sealer = Sealer(
        service=service,
        production_version=settings.production_version,
        keys=keyring(settings),
        conceal=conceal(settings).exchange,
    )
    return Forwarder(
        _sender(settings),
        sealer,
        books,
        service=service,
        shadows=tuple(unasked(target, settings, {}) for target in settings.targets),
        store=make_store(settings),
        flush_seconds=settings.drain_seconds,
    )


def make_broker_source(
    settings: Settings,
    inbox: Inbox,
    books: Books,
    *,
    kept: Kept,
    written: Callable[[Callable[[], None]], None],
) -> BrokerSource:
    """The source of a worker that takes from a broker; `kept` tells which records are in the store.

    Raises:
        SettingsError: a key can't be read.

    """
    shares = len(settings.targets) + (settings.control is not None)
    return BrokerSource(
        inbox,
        Opener(keyring(settings)),
        books,
        settled=partial(settled, settings, kept),
        written=written,
        size=max(settings.queue_size // shares, 1),
        size_bytes=int(settings.queue_bytes) // shares,
    )


def make_inbox(settings: Settings) -> Inbox:
    """The worker's end of the broker that the settings name.

    Raises:
        SettingsError: the client refuses an option.
        MissingExtraError: the client is not installed.

    """
    need_client(settings.queue)
    if is_kafka(settings.queue):
        from shadow_mw.queues.kafka_inbox import KafkaInbox

        return KafkaInbox(settings.queue, drain_seconds=settings.drain_seconds)
    from shadow_mw.queues.sqs_inbox import SQSInbox

    return SQSInbox(
        sqs_address(settings.queue),
        endpoint_url=settings.sqs_endpoint_url,
        bucket=settings.sqs_bucket,
    )


def settled(settings: Settings, kept: Kept, requests: Sequence[CapturedRequest]) -> Settled:
    """Of each exchange the shadows whose record is in the store already, which `kept` tells.

    Raises:
        StoreError: the store could not be read.

    """
    names = [target.name for target in settings.targets]
    if settings.control is not None:
        names.append(CONTROL)
    ids = {
        record_id_of(request.ts_us, request.exchange_id, name): (request, name)
        for request in requests
        for name in names
    }
    known = kept.known([(record_id, request.ts_us) for record_id, (request, _) in ids.items()])
    found: dict[str, set[str]] = {}
    for request, name in map(ids.__getitem__, known):
        found.setdefault(request.exchange_id, set()).add(name)
    return {exchange_id: frozenset(shadows) for exchange_id, shadows in found.items()}


def _sender(settings: Settings) -> Sender:
    if is_kafka(settings.queue):
        from shadow_mw.queues.kafka_options import check_options, environment_options
        from shadow_mw.queues.kafka_sender import KafkaSender

        check_options(environment_options())  # the sender's own client is made with the first exchange
        return KafkaSender(settings.queue)
    from shadow_mw.queues.sqs_sender import SQSSender

    return SQSSender(
        sqs_address(settings.queue), endpoint_url=settings.sqs_endpoint_url, bucket=settings.sqs_bucket
    )
