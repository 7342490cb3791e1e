"""Clients of SQS and S3 for one queue: they give up in time, and their errors are sentences."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec

from shadow_mw.exceptions import MissingExtraError, SettingsError
from shadow_mw.queue_urls import SQSAddress
from shadow_mw.queues.sqs_errors import ServiceError, explained, is_passing, is_too_long, plain

#: How long the service may wait for a message to come, the longest that it allows.
POLL_SECONDS = 20
#: The most entries in a batch, and the most messages in an answer.
MOST = 10
_CONNECT_SECONDS = 3
_READ_SECONDS = 10
_MOST_CONNECTIONS = 16
#: The threads of ours, by whose name their lines in the log are known.
THREAD = "shadow_mw-sqs"
_CHATTY = ("boto3", "botocore", "urllib3", "s3transfer")


class Failure(msgspec.Struct, frozen=True):
    """One entry of a batch that the service did not take. Immutable."""

    index: int
    code: str
    is_final: bool
    """True where the same again would fail again."""

    @property
    def is_too_long(self) -> bool:
        """True where a smaller message would be taken."""
        return is_too_long(self.code)


class SQSClient:
    """One queue of SQS, with the bucket for what is too large for it. Thread-safe.

    Nothing is asked of anybody before the first call.
    """

    def __init__(self, address: SQSAddress, *, endpoint_url: str = "", bucket: str = "") -> None:
        """Ask at `endpoint_url`, or else where the queue's own URL points, or else at Amazon's.

        Raises:
            MissingExtraError: boto3 is not installed.
            SettingsError: nothing says in which region the queue is.

        """
        need_driver()
        self.address = address
        self.bucket = bucket
        self._endpoint_url = endpoint_url.rstrip("/")
        self._region = address.region or _region_around()
        self._lock = threading.Lock()
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._url = address.url
        if not self._region:
            raise SettingsError(
                f"nothing says in which region the queue {address.name!r} is: set AWS_REGION, "
                "or write SHADOW_QUEUE as sqs://REGION/NAME"
            )

    def __repr__(self) -> str:
        """Which queue."""
        return f"SQSClient({self.address.name!r}, region={self._region!r})"

    def ask(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one operation on the queue.

        Raises:
            ServiceError: there is none.

        """
        if "QueueUrl" not in parameters:
            parameters["QueueUrl"] = self.queue_url()
        return self._ask("patient" if operation == "receive_message" else "sqs", operation, parameters)

    def ask_batch(self, operation: str, entries: Sequence[dict[str, Any]]) -> list[Failure]:
        """The entries that an operation on at most ten of them did not do; `Id` is given here.

        Where one entry spoils the batch they are asked for one by one.

        Raises:
            ServiceError: it did none of them, or they are too long together.

        """
        numbered = [{"Id": str(index), **entry} for index, entry in enumerate(entries)]
        try:
            answer = self.ask(operation, Entries=numbered)
        except ServiceError as error:
            if not error.is_of_request or error.is_too_long:
                raise
            if len(entries) > 1:
                return self._ask_each(operation, entries)
            return [Failure(0, error.code, is_final=True)]
        return [_failure(entry) for entry in answer.get("Failed") or ()]

    def ask_bucket(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """The answer to one operation on the bucket.

        Raises:
            ServiceError: there is none.

        """
        return self._ask("s3", operation, {"Bucket": self.bucket, **parameters})

    def fetch(self, key: str, most_bytes: int) -> bytes | None:
        """What the bucket has under a key; None for more than so many bytes.

        Raises:
            ServiceError: it has nothing there, or can't be asked.

        """
        answer = self.ask_bucket("get_object", Key=key)
        with self._sentences("get_object"), answer["Body"] as body:
            return bytes(body.read()) if answer["ContentLength"] <= most_bytes else None

    def queue_url(self) -> str:
        """The URL of the queue.

        Raises:
            ServiceError: there is no such queue, or it may not be asked for.

        """
        if not self._url:
            self._url = str(self._ask("sqs", "get_queue_url", {"QueueName": self.address.name})["QueueUrl"])
        return self._url

    def close(self) -> None:
        """Give idle connections back."""
        with self._lock:
            clients, self._clients = self._clients, {}
        for client in clients.values():
            client.close()

    def _ask(self, kind: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        with self._sentences(operation):
            return dict(getattr(self._client(kind), operation)(**parameters))

    def _ask_each(self, operation: str, entries: Sequence[dict[str, Any]]) -> list[Failure]:
        found: list[Failure] = []
        for index, entry in enumerate(entries):
            found += [Failure(index, one.code, one.is_final) for one in self.ask_batch(operation, [entry])]
        return found

    @contextlib.contextmanager
    def _sentences(self, operation: str) -> Iterator[None]:
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            yield
        except (BotoCoreError, ClientError, OSError) as error:
            told = explained(
                error,
                operation=operation,
                queue=f"{self.address.name!r} in {self._region}",
                bucket=self.bucket,
                where=self._endpoint_url or _origin(self.address) or f"AWS in {self._region}",
            )
            if told.is_of_credentials:
                self._session = None  # neither it nor its clients ever look again for other credentials
                self.close()
            raise told from None

    def _client(self, kind: str) -> Any:
        with self._lock:
            if kind not in self._clients:
                self._clients[kind] = self._made(kind)
                _hush()
            return self._clients[kind]

    def _made(self, kind: str) -> Any:
        import boto3
        from botocore.config import Config

        _hush()
        service = "s3" if kind == "s3" else "sqs"
        is_patient = kind == "patient"
        endpoint_url = self._endpoint_url or (_origin(self.address) if service == "sqs" else "")
        config = Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS + POLL_SECONDS * is_patient,
            retries={"mode": "standard", "total_max_attempts": 1 if is_patient else 2},
            max_pool_connections=_MOST_CONNECTIONS,
            s3={"addressing_style": "path"} if endpoint_url else None,
        )
        # A session of our own: boto3's default one may not be used by two threads at a time.
        session = self._session = self._session or boto3.session.Session(region_name=self._region)
        return session.client(service, endpoint_url=endpoint_url or None, config=config)


def need_driver() -> None:
    """Make sure that the client's library is there.

    Raises:
        MissingExtraError: boto3 is not installed.

    """
    try:
        import boto3  # noqa: F401 - looking whether it is there is all
    except ImportError:
        raise MissingExtraError("A queue of SQS", "sqs") from None


def _failure(entry: dict[str, Any]) -> Failure:
    code = plain(str(entry.get("Code", "")))
    return Failure(int(entry["Id"]), code, bool(entry.get("SenderFault")) and not is_passing(code))


def _region_around() -> str:
    """The region that the environment or the files of the AWS tools name."""
    from boto3.session import Session
    from botocore.exceptions import BotoCoreError

    found = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if found:
        return found
    try:
        return Session().region_name or ""
    except BotoCoreError:
        return ""


def _origin(address: SQSAddress) -> str:
    """Where the queue's own URL points, when that is not what its region says anyway."""
    if address.region or not address.url:
        return ""
    parts = urlsplit(address.url)
    return f"{parts.scheme}://{parts.netloc}"


def _from_others(record: logging.LogRecord) -> bool:
    """False for the small talk that a library makes on a thread of ours."""
    return record.levelno >= logging.WARNING or not str(record.threadName).startswith(THREAD)


def _hush() -> None:
    """Keep our calls out of an app's log that is set to INFO or DEBUG; the app's own calls stay in it."""
    for name in list(logging.root.manager.loggerDict):
        if name.partition(".")[0] in _CHATTY:
            logger = logging.getLogger(name)
            if _from_others not in logger.filters:
                logger.addFilter(_from_others)
