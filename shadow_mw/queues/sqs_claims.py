"""Values that are too large for a message: they wait in a bucket of S3, and the message has the claim."""

from __future__ import annotations

from urllib.parse import quote

from shadow_mw.exceptions import ShadowMWError
from shadow_mw.queues.sqs_client import SQSClient
from shadow_mw.queues.sqs_envelope import Claim, digest
from shadow_mw.queues.sqs_errors import ServiceError
from shadow_mw.records import Envelope

_FOLDER = "shadow_mw/"
_DEAD_FOLDER = "shadow_mw/dead/"
#: More is not fetched: a message from a stranger may point to anything.
_MOST_BYTES = 256 * 2**20
_TYPE = "application/octet-stream"


class ClaimError(ShadowMWError):
    """A claim for which nobody will ever get its value; the message is a sentence."""


class Claims:
    """The values in the bucket of a queue. Thread-safe.

    A claim to anything else than our folder of that bucket is neither fetched nor deleted.
    """

    def __init__(self, client: SQSClient) -> None:
        """Use the client's bucket."""
        self._client = client

    @property
    def is_possible(self) -> bool:
        """True where there is a bucket."""
        return bool(self._client.bucket)

    def leave(self, envelope: Envelope) -> Claim:
        """The claim to an envelope's value, which is in the bucket by now.

        Raises:
            ServiceError: it is not.

        """
        key = _FOLDER + quote(envelope.id, safe="")
        self._client.ask_bucket("put_object", Key=key, Body=envelope.value, ContentType=_TYPE)
        return Claim(self._prefix() + key, digest(envelope.value))

    def bury(self, name: str, body: str, reason: str) -> None:
        """Put a dead letter into the bucket, for a queue without a place for them.

        Raises:
            ServiceError: it is not there.

        """
        self._client.ask_bucket(
            "put_object",
            Key=_DEAD_FOLDER + quote(name, safe=""),
            Body=body.encode("utf-8", "surrogatepass"),
            ContentType="application/cloudevents+json",
            Metadata={"shadow-mw-dead-reason": reason},
        )

    def fetch(self, claim: Claim) -> bytes:
        """The value of a claim, checked.

        Raises:
            ClaimError: it is gone, or is not what was left, or is not ours.
            ServiceError: S3 can't be asked now.

        """
        key = self._key(claim)
        try:
            value = self._client.fetch(key, _MOST_BYTES)
        except ServiceError as error:
            if error.is_missing_object:
                raise ClaimError(f"its value is not in the bucket any more: {_shown(claim)}") from None
            raise
        if value is None:
            raise ClaimError(f"its value is larger than {_MOST_BYTES} bytes: {_shown(claim)}")
        if digest(value) != claim.sha256:
            raise ClaimError(f"its value in the bucket is not the one that was sent: {_shown(claim)}")
        return value

    def drop(self, claim: Claim) -> None:
        """Delete what was claimed.

        Raises:
            ClaimError: it is not ours.
            ServiceError: it may still be there.

        """
        self._client.ask_bucket("delete_object", Key=self._key(claim))

    def _prefix(self) -> str:
        return f"s3://{self._client.bucket}/"

    def _key(self, claim: Claim) -> str:
        if not self._client.bucket:
            raise ClaimError(f"its value is in a bucket and SHADOW_SQS_BUCKET is not set: {_shown(claim)}")
        key = claim.ref.removeprefix(self._prefix())
        if key == claim.ref or not key.startswith(_FOLDER) or key.startswith(_DEAD_FOLDER):
            raise ClaimError(f"its value is not where SHADOW_SQS_BUCKET says: {_shown(claim)}")
        return key


def _shown(claim: Claim) -> str:
    """Where the value should be, as far as it is fit for a log."""
    return repr(claim.ref[:200])
