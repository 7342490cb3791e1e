"""What `shadow-mw check` tries of the queue."""

from __future__ import annotations

from shadow_mw.cli.finding import Finding
from shadow_mw.exceptions import ShadowMWError
from shadow_mw.queue_urls import is_broker, is_kafka, kafka_address, sqs_address
from shadow_mw.settings import Settings


def probe_queue(settings: Settings, deadline_seconds: float) -> list[Finding]:
    """Reach the broker and look at the topic or queue, and read the keys; other queues need nothing."""
    if not is_broker(settings.queue):
        return []
    from shadow_mw.assembly.brokers import keyring
    from shadow_mw.assembly.clients import need_client

    try:
        need_client(settings.queue)
        look = _kafka if is_kafka(settings.queue) else _sqs
        findings = [look(settings, deadline_seconds)]
        if settings.encryption_keys:
            findings.append(Finding(True, f"encryption keys: {keyring(settings)!r}"))
    except ShadowMWError as error:
        return [Finding(False, f"queue {settings.queue}: {error}")]
    return findings


def _kafka(settings: Settings, deadline_seconds: float) -> Finding:
    from shadow_mw.queues.kafka_probe import partitions_of

    count = partitions_of(settings.queue, deadline_seconds)
    where = f"queue {settings.queue}"
    if not count:
        return Finding(False, f"{where}: there is no such topic: make it, with a partition for each worker")
    workers = "one worker" if count == 1 else f"up to {count} workers"
    missing = _missing_dead_letters(settings.queue, deadline_seconds)
    return Finding(True, f"{where} answers; its partitions feed {workers}{missing}")


def _missing_dead_letters(queue: str, deadline_seconds: float) -> str:
    """A remark where there is no topic for dead letters; none where we may not know."""
    from shadow_mw.queues.kafka_probe import partitions_of

    try:
        if partitions_of(f"{queue}.dead", deadline_seconds):
            return ""
    except ShadowMWError:
        return ""
    name = kafka_address(queue).topic
    return f"; there is no topic {name}.dead: make it, unless your brokers make topics by themselves"


def _sqs(settings: Settings, _: float) -> Finding:
    from shadow_mw.queues.sqs_client import SQSClient

    client = SQSClient(
        sqs_address(settings.queue), endpoint_url=settings.sqs_endpoint_url, bucket=settings.sqs_bucket
    )
    try:
        facts = client.ask("get_queue_attributes", AttributeNames=["All"]).get("Attributes", {})
        if settings.sqs_bucket:
            client.ask_bucket("head_bucket")
    finally:
        client.close()
    redrive = (
        ""
        if "RedrivePolicy" in facts
        else "; it has no redrive policy, so a poisonous message comes for ever"
    )
    return Finding(True, f"queue {settings.queue} answers{redrive}")
