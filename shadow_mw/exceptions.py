"""Every error that shadow_mw raises, as one tree.

::

    ShadowMWError
    ├── SettingsError             a setting is wrong: names the variable, the value and the mend
    │   └── MissingExtraError     a feature needs an optional dependency: names the pip command
    ├── UsageError                what was handed over in code can't be mirrored: says what to give instead
    ├── ShadowError               a shadow did not answer; never reaches production's caller
    │   ├── ShadowTimeout         no complete answer within SHADOW_TIMEOUT_SECONDS
    │   ├── ShadowUnreachable     no connection: refused, unknown host, TLS failure
    │   │   └── ShadowAddressRefused  its name means an address where no shadow may be; nothing was sent
    │   ├── ShadowProtocolError   the connection or process broke, or what came is no answer
    │   ├── ShadowAnswerTooLarge  the answer is larger than SHADOW_MAX_BODY_BYTES
    │   ├── ShadowModelError      a model in Python raised an exception
    │   ├── ShadowStatusError     the answer has a status outside 2xx
    │   └── CircuitOpen           not asked: the circuit breaker of this shadow is open
    ├── ShadowWriteBlocked        the guard of a shadow's own server has stopped a write
    ├── FrameError                what came over the socket between app and worker is no frame of ours
    ├── EnvelopeError             a broker's envelope could not be opened: unknown version or key, altered
    ├── PayloadError              a body could not be decoded (encoding, JSON, JMESPath)
    └── StoreError                a store could not be written or read
        └── StoreNotFound         there is no store yet
"""

from __future__ import annotations

_MAX_TYPE_CHARS = 100


class ShadowMWError(Exception):
    """The root of every error of this library."""


class SettingsError(ShadowMWError, ValueError):
    """A setting is wrong; the message names the variable, the value and the mend."""


class MissingExtraError(SettingsError):
    """A feature needs an optional dependency; the message names the pip command."""

    def __init__(self, feature: str, extra: str) -> None:
        """Say which `feature` needs which `extra`."""
        super().__init__(f"{feature} needs an extra that is not installed: pip install 'shadow-mw[{extra}]'")


class UsageError(ShadowMWError, TypeError):
    """What was handed over in code can't be mirrored; the message says what to give instead."""


class ShadowError(ShadowMWError):
    """A shadow did not answer; production's caller never sees it.

    `outcome` is the word for the record (`error`, `timeout`, …), `error_type` the value of the span
    attribute `error.type`.
    """

    outcome = "error"

    @property
    def error_type(self) -> str:
        """The low-cardinality name of what went wrong."""
        return type(self).__name__


class ShadowTimeout(ShadowError):
    """No complete answer came within the deadline of the whole call."""

    outcome = "timeout"


class ShadowUnreachable(ShadowError):
    """No connection could be made: refused, unknown host, TLS failure."""


class ShadowAddressRefused(ShadowUnreachable):
    """The shadow's name means an address where no shadow may be; nothing was sent there."""


class ShadowProtocolError(ShadowError):
    """The connection (or the model's process) broke in the middle, or what came is no answer."""


class ShadowAnswerTooLarge(ShadowError):
    """The answer is larger than `SHADOW_MAX_BODY_BYTES`."""


class ShadowModelError(ShadowError):
    """A model in Python raised an exception, or returned what has no JSON."""

    def __init__(self, error_type: str, sentence: str) -> None:
        """Keep the name of the exception's class for the record."""
        super().__init__(sentence)
        self._error_type = error_type[:_MAX_TYPE_CHARS]

    @property
    def error_type(self) -> str:
        """The name of the class of the model's exception."""
        return self._error_type


class ShadowStatusError(ShadowError):
    """The answer has a status outside 2xx, so it is no prediction."""

    def __init__(self, status: int, pause_seconds: float = 0.0) -> None:
        """Keep the HTTP `status` for the record, and for how long the shadow asks to be left alone."""
        super().__init__(f"the shadow answered with status {status}")
        self.status = status
        self.pause_seconds = pause_seconds

    @property
    def error_type(self) -> str:
        """The status code as text, as the OpenTelemetry HTTP conventions have it."""
        return str(self.status)

    @property
    def is_overload(self) -> bool:
        """True for 429 and 5xx, which say something about the server rather than about the request."""
        return self.status == 429 or self.status >= 500


class CircuitOpen(ShadowError):
    """The shadow was not asked, because its circuit breaker is open."""

    outcome = "circuit_open"


class ShadowWriteBlocked(ShadowMWError):
    """The guard of a shadow's own server has stopped a write; no `OSError`, which clients would try again."""


class FrameError(ShadowMWError):
    """What came over the socket between app and worker is no frame of ours; the connection is closed."""


class EnvelopeError(ShadowMWError):
    """An envelope from a broker could not be opened: unknown version or key, altered, or none of ours."""


class PayloadError(ShadowMWError):
    """A body could not be decoded; the message says what it is not."""


class StoreError(ShadowMWError):
    """A store could not be written or read; the message names the path and the reason."""


class StoreNotFound(StoreError):
    """There is no store yet; the first record makes it."""
