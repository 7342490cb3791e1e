"""The reader of HTTP/1.1 answers: bytes in, answers out; it knows no socket."""

from __future__ import annotations

import httptools

from shadow_mw.exceptions import ShadowAnswerTooLarge, ShadowProtocolError
from shadow_mw.records import Answer, Headers

#: Bounds what is no body: status line, headers, trailers, and in the measure of the body chunk framing.
_MAX_HEAD_BYTES = 64 * 1024
_FRAMING_BYTES_PER_BODY_BYTE = 8
#: How to read the body, and when to ask again.
_KEPT_HEADERS = (b"content-type", b"content-encoding", b"retry-after")


class AnswerReader:
    """Reads the answers of one connection, one after the other (RFC 9112, parsed by llhttp).

    `begin` it before every answer; after an error it is of no more use.
    """

    def __init__(self, *, max_body_bytes: int) -> None:
        """Refuse bodies larger than `max_body_bytes`."""
        self._max_body_bytes = max_body_bytes
        self._parser = httptools.HttpResponseParser(self)
        self.begin(is_head=False)

    def begin(self, *, is_head: bool) -> None:
        """Expect an answer; one to HEAD has no body, whatever its headers say."""
        self.keeps_alive = False
        self._is_head = is_head
        self._answer: Answer | None = None
        self._read_bytes = 0
        self._restart()

    def feed(self, data: bytes) -> Answer | None:
        """The answer, once it is complete.

        Raises:
            ShadowProtocolError: this is not HTTP, or its head has no end.
            ShadowAnswerTooLarge: the body is, or says that it is, larger than `max_body_bytes`.

        """
        self._read_bytes += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.keeps_alive = False
            if self._answer is None:
                raise ShadowProtocolError(f"the answer is not HTTP/1.1: {error}") from error
        self._check_bounds()
        return self._answer

    def end(self) -> Answer:
        """The answer, where the end of the connection completes it.

        Raises:
            ShadowProtocolError: it was not complete.

        """
        if self._are_headers_complete and not self._is_framed:
            return self._complete()
        raise ShadowProtocolError("the connection ended before the answer was complete")

    def on_message_begin(self) -> None:
        """Called by the parser at the first byte of a message."""
        if self._answer is None:
            self._restart()
        else:
            self.keeps_alive = False  # nobody asked for a second answer

    def on_header(self, name: bytes, value: bytes) -> None:
        """Called by the parser for every header and trailer."""
        name = name.lower()
        if self._are_headers_complete:
            return
        if name in _KEPT_HEADERS:
            self._headers += ((name, value),)
        elif name in (b"content-length", b"transfer-encoding"):
            self._is_framed = True
            if name == b"content-length" and value.isdigit():
                self._declared_bytes = int(value)

    def on_headers_complete(self) -> None:
        """Called by the parser at the empty line."""
        self._are_headers_complete = True
        if self._is_head and self._parser.get_status_code() >= 200:
            self._complete()  # the parser does not know that no body follows, so the connection can't go on

    def on_body(self, chunk: bytes) -> None:
        """Called by the parser for every piece of the body."""
        if self._answer is None:
            self._body_bytes += len(chunk)
            self._chunks.append(chunk)

    def on_message_complete(self) -> None:
        """Called by the parser at the end of a message."""
        if self._parser.get_status_code() >= 200 and self._answer is None:
            self.keeps_alive = self._parser.should_keep_alive()
            self._complete()

    def _restart(self) -> None:
        """Forget an interim answer (status 1xx)."""
        self._headers: Headers = ()
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._declared_bytes = 0
        self._is_framed = False
        self._are_headers_complete = False

    def _complete(self) -> Answer:
        status = self._parser.get_status_code()
        self._answer = Answer(status=status, headers=self._headers, body=b"".join(self._chunks))
        return self._answer

    def _check_bounds(self) -> None:
        if self._body_bytes > self._max_body_bytes:
            raise ShadowAnswerTooLarge(f"the answer is larger than {self._max_body_bytes} bytes")
        if self._answer is not None:
            return
        if self._are_headers_complete and self._declared_bytes > self._max_body_bytes:
            raise ShadowAnswerTooLarge(f"the answer declares {self._declared_bytes} bytes")
        rest_bytes = self._read_bytes - self._body_bytes
        if rest_bytes > _MAX_HEAD_BYTES + _FRAMING_BYTES_PER_BODY_BYTE * self._body_bytes:
            raise ShadowProtocolError(f"the answer has more than {_MAX_HEAD_BYTES} bytes of headers")
