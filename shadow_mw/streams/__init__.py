"""Streams: answers in server-sent events, put together before they are compared."""

from shadow_mw.streams.stream import read_stream

__all__ = ["read_stream"]
