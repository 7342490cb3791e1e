"""Which address of a host is taken, on asyncio's loop and on uvloop's."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from shadow_mw.exceptions import ShadowAddressRefused
from shadow_mw.shadows.admission import Admission
from shadow_mw.shadows.dial import _closed, _connected, dial, first_of
from shadow_mw.shadows.names import Names
from shadow_mw.targets import Target

ANYWHERE = Admission(Target("shadow", "http://shadow.example"))


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
            connection = await first_of(addresses, _connected, _closed)
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
            await first_of([deaf, deaf], _connected, _closed)
        assert scope.cancelled_caught

    anyio.run(main, backend_options=options)


def test_a_name_is_looked_up(options):
    async def main(port: int) -> None:
        (await dial(Names(ANYWHERE), "localhost", port)).close()
        with pytest.raises(OSError, match=r"."):
            await dial(Names(ANYWHERE), "unknown.invalid", port)

    with listening() as good:
        anyio.run(main, good[4][1], backend_options=options)


def test_an_address_is_not_looked_up(options):
    """A look-up takes a thread, and none can be started any more while the interpreter ends."""

    async def main(port: int) -> None:
        before = threading.active_count()
        (await dial(Names(ANYWHERE), "127.0.0.1", port)).close()
        assert threading.active_count() == before

    with listening() as good:
        anyio.run(main, good[4][1], backend_options=options)


def test_a_name_is_looked_up_while_the_interpreter_ends(options, monkeypatch):
    """No thread can be started any more by then, but exchanges are still mirrored."""

    def refuse(thread: threading.Thread) -> None:
        raise RuntimeError("can't create new thread at interpreter shutdown")

    async def main(port: int) -> None:
        monkeypatch.setattr(threading.Thread, "start", refuse)
        (await dial(Names(ANYWHERE), "localhost", port)).close()

    with listening() as good:
        anyio.run(main, good[4][1], backend_options=options)


def test_a_name_is_looked_up_once_for_all_who_wait_for_it(options, monkeypatch):
    looked_up, release = [], threading.Event()

    def look_up(host: str, port: int, **keywords: Any) -> Any:
        if keywords.get("flags"):
            raise socket.gaierror(socket.EAI_NONAME, "a name")
        looked_up.append(host)
        assert release.wait(20)
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", port))]

    async def main() -> None:
        names, answers = Names(ANYWHERE), []

        async def ask() -> None:
            answers.append((await names.addresses("many.example", 80))[0][4])

        async with anyio.create_task_group() as given_up:
            given_up.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            given_up.cancel_scope.cancel()
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(ask)
            await anyio.wait_all_tasks_blocked()
            release.set()
        assert answers == [("127.0.0.1", 80)] * 20
        await names.addresses("many.example", 80)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    anyio.run(main, backend_options=options)
    assert looked_up == ["many.example"] * 2


@pytest.mark.fault("metadata")
@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "2852039166",
        "0xa9fea9fe",
        "100.100.100.200",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::",
        "fd00:ec2::254",
        "fe80::1",
    ],
)
def test_no_shadow_is_where_clouds_keep_credentials(options, monkeypatch, address):
    """Neither by its address nor by a name that has come to mean it."""

    async def main() -> None:
        for host in (address, "rebound.example"):
            with pytest.raises(ShadowAddressRefused, match="where clouds keep credentials"):
                await dial(Names(ANYWHERE), host, 80)

    look_up = socket.getaddrinfo

    def rebound(host: str, *arguments: Any, **keywords: Any) -> Any:
        is_rebound = host == "rebound.example" and not keywords.get("flags")
        return look_up(address if is_rebound else host, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    anyio.run(main, backend_options=options)


@pytest.mark.fault("metadata")
def test_of_several_addresses_only_those_that_are_allowed_are_dialled(options, monkeypatch):
    async def main(port: int) -> Any:
        with await dial(Names(ANYWHERE), "mixed.example", port) as connection:
            return connection.getpeername()

    look_up = socket.getaddrinfo

    def mixed(host: str, port: int, *arguments: Any, **keywords: Any) -> Any:
        if host == "mixed.example" and not keywords.get("flags"):
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (place, port))
                for place in ("169.254.169.254", "127.0.0.1")
            ]
        return look_up(host, port, *arguments, **keywords)

    monkeypatch.setattr(socket, "getaddrinfo", mixed)
    with listening() as good:
        assert anyio.run(main, good[4][1], backend_options=options) == good[4]
