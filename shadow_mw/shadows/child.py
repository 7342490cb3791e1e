"""The process of one Python model: `python -m shadow_mw.shadows.child`, started by a worker."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import sys
import threading

import msgspec

from shadow_mw.exceptions import ShadowAnswerTooLarge, ShadowModelError, ShadowUnreachable
from shadow_mw.frames import FrameReader, encode
from shadow_mw.sandbox.layers import missing
from shadow_mw.sandbox.lockdown import lock_down
from shadow_mw.shadows.model import Model, imported
from shadow_mw.shadows.model_frames import (
    FRAME_OVERHEAD_BYTES,
    REFUSED,
    Call,
    FromModel,
    LockedDown,
    Order,
    Predicted,
    Raised,
    Ready,
    TooLarge,
    Unready,
)


def main() -> None:
    """Import the model, say so, and answer calls until the worker hangs up."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    connection = socket.socket(fileno=order.descriptor)
    connection.set_inheritable(False)
    try:
        _lock_down(order, connection)
        # The kernel tells of the parent's end on Linux only; the socket always does.
        threading.Thread(target=_watch, args=(connection,), daemon=True).start()
        function = imported(order.name)
    except ShadowUnreachable as error:
        connection.sendall(encode(Unready(str(error))))
        return
    model = Model(function, features=order.features, max_body_bytes=order.max_body_bytes)
    connection.sendall(encode(Ready()))
    with contextlib.suppress(OSError):
        _serve(connection, model, order.max_body_bytes + FRAME_OVERHEAD_BYTES)


def _serve(connection: socket.socket, model: Model, limit_bytes: int) -> None:
    reader: FrameReader[Call] = FrameReader(Call, limit_bytes)
    while data := connection.recv(256 * 1024):
        for number, call in reader.feed(data):
            connection.sendall(encode(_answered(model, call), number))


def _answered(model: Model, call: Call) -> FromModel:
    try:
        return Predicted(model.answer(call.body, call.headers))
    except ShadowModelError as error:
        return Raised(error.error_type, str(error))
    except ShadowAnswerTooLarge as error:
        return TooLarge(str(error))


def _lock_down(order: Order, connection: socket.socket) -> None:
    layers = lock_down(
        order.sandbox,
        parent_pid=order.parent,
        scratch=order.scratch,
        wish=order.wish,
        cgroup=order.place,
    )
    connection.sendall(encode(LockedDown(layers)))
    if order.sandbox == "strict" and (lacking := missing(layers)):
        what = "; ".join(map(str, lacking))
        raise ShadowUnreachable(f"{REFUSED}, and this does not hold: {what}")


def _watch(connection: socket.socket) -> None:
    poll = select.poll()
    poll.register(connection, 0)  # the end of the connection is reported all the same
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
    os._exit(0)  # libraries of models are known to hang in their clean-up
