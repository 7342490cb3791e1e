"""Which address of a host is taken, on asyncio's loop and on uvloop's."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import anyio
import pytest

from shadow_mw.shadows.dial import dial, first_of


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def options(request) -> dict[str, Any]:
    if request.param:
        pytest.importorskip("uvloop")
    return {"use_uvloop": request.param}


@contextlib.contextmanager
def listening(host: str = "127.0.0.1", *, is_deaf: bool = False) -> Iterator[Any]:
    """The address of a listener, as `getaddrinfo` gives it; a deaf one lets every connection hang."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.create_server((host, 0), backlog=0 if is_deaf else 100))
        for _ in range(3 if is_deaf else 0):  # Linux takes one more than the backlog, then drops what comes
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield (socket.AF_INET, socket.SOCK_STREAM, 0, "", listener.getsockname())


def refusing() -> Any:
    with listening() as address:
        return address


def connected_to(addresses: list[Any], options: dict[str, Any]) -> Any:
    async def main() -> Any:
        with anyio.fail_after(20):
            connection = await first_of(addresses)
        with connection:
            assert connection.gettimeout() == 0
            return connection.getpeername()

    return anyio.run(main, backend_options=options)


def test_where_one_address_refuses_the_next_is_taken_at_once(options):
    with listening() as good:
        began = time.perf_counter()
        assert connected_to([refusing(), refusing(), good], options) == good[4]
        assert time.perf_counter() - began < 15


def test_an_address_that_does_not_answer_is_not_waited_for(options):
    with listening(is_deaf=True) as deaf, listening() as good:
        assert connected_to([deaf, good], options) == good[4]
        assert connected_to([deaf, deaf, good], options) == good[4]


def test_the_first_address_tells_why_none_is_taken(options):
    addresses = [refusing(), refusing()]
    with pytest.raises(ConnectionRefusedError) as caught:
        connected_to(addresses, options)
    if not options["use_uvloop"]:  # uvloop's message names no address
        assert str(addresses[0][4][1]) in str(caught.value)


def test_the_next_family_comes_second_and_a_refusal_of_one_does_not_matter(options):
    with listening() as good:
        missing = (socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("::1", refusing()[4][1], 0, 0))
        assert connected_to([missing, missing, good], options) == good[4]


def test_a_cancelled_call_leaves_no_socket(options):
    """An open one would be a ResourceWarning, which fails the test."""

    async def main() -> None:
        with listening(is_deaf=True) as deaf, anyio.move_on_after(0.4) as scope:
            await first_of([deaf, deaf])
        assert scope.cancelled_caught

    anyio.run(main, backend_options=options)


def test_a_name_is_looked_up(options):
    async def main(port: int) -> None:
        (await dial("localhost", port)).close()
        with pytest.raises(OSError, match=r"."):
            await dial("unknown.invalid", port)

    with listening() as good:
        anyio.run(main, good[4][1], backend_options=options)


def test_an_address_is_not_looked_up(options):
    """A look-up takes a thread, and none can be started any more while the interpreter ends."""

    async def main(port: int) -> None:
        before = threading.active_count()
        (await dial("127.0.0.1", port)).close()
        assert threading.active_count() == before

    with listening() as good:
        anyio.run(main, good[4][1], backend_options=options)


def test_a_name_is_looked_up_while_the_interpreter_ends(options):
    """The loop's pool takes no work any more by then, but exchanges are still mirrored."""

    async def main(port: int) -> None:
        ended = ThreadPoolExecutor(1)
        ended.shutdown()
        asyncio.get_running_loop().set_default_executor(ended)
        (await dial("localhost", port)).close()

    with listening() as good:
        anyio.run(main, good[4][1], backend_options=options)
