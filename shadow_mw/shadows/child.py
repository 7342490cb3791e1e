"""The process of one Python model: `python -m shadow_mw.shadows.child`, started by a worker."""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import socket
import sys
import threading

import msgspec

from shadow_mw.exceptions import ShadowAnswerTooLarge, ShadowModelError, ShadowUnreachable
from shadow_mw.frames import FrameReader, encode
from shadow_mw.limits import cap_memory, step_back
from shadow_mw.shadows.model import Model, imported
from shadow_mw.shadows.model_frames import (
    FRAME_OVERHEAD_BYTES,
    Call,
    FromModel,
    Order,
    Predicted,
    Raised,
    Ready,
    TooLarge,
    Unready,
)

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Import the model, say so, and answer calls until the worker hangs up."""
    order = msgspec.json.decode(sys.argv[1], type=Order)
    connection = socket.socket(fileno=order.descriptor)
    connection.set_inheritable(False)
    _end_with_parent(order.parent, connection)
    step_back("shadow_mw model")
    cap_memory(order.memory_bytes)
    try:
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


def _end_with_parent(parent: int, connection: socket.socket) -> None:
    """End when the worker ends, also while the model computes and by SIGKILL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)  # it ended before the line above
    # The signal comes when the thread ends that started us, and on Linux only; the socket always tells.
    threading.Thread(target=_watch, args=(connection,), daemon=True).start()


def _watch(connection: socket.socket) -> None:
    poll = select.poll()
    poll.register(connection, 0)  # the end of the connection is reported all the same
    poll.poll()
    os._exit(0)


if __name__ == "__main__":
    main()
    os._exit(0)  # libraries of models are known to hang in their clean-up
