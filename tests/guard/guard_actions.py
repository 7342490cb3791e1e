"""What a model server with side effects may do while it predicts, one function for each means."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import os
import socket
import sqlite3
import subprocess
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

TARGET = os.environ.get("TARGET_URL", "")
DATABASE = os.environ.get("TARGET_DATABASE", "")
FOLDER = Path(os.environ.get("TARGET_FOLDER", "."))
MOTO = os.environ.get("TARGET_AWS", "")
BODY = b'{"n": 1}'
BY_HAND = b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\nconnection: close\r\n\r\n" + BODY
_engines: dict[str, Any] = {}


def by_httpx(method: str = "POST") -> Any:
    import httpx

    return httpx.request(method, TARGET, content=BODY if method == "POST" else None).status_code


def by_httpx_async() -> Any:
    import httpx

    async def post() -> int:
        async with httpx.AsyncClient() as client:
            return (await client.post(TARGET, content=BODY)).status_code

    return asyncio.run(post())


def by_requests(method: str = "POST") -> Any:
    import requests

    with requests.Session() as session:
        return session.request(method, TARGET, data=BODY if method == "POST" else None).status_code


def by_urllib(method: str = "POST") -> Any:
    asked = urllib.request.Request(TARGET, data=BODY if method == "POST" else None, method=method)
    with urllib.request.urlopen(asked) as answer:
        return answer.status


def by_http_client_by_hand() -> Any:
    import http.client

    connection = http.client.HTTPConnection(TARGET.removeprefix("http://"))
    try:
        connection.putrequest("POST", "/")
        connection.putheader("content-length", str(len(BODY)))
        connection.endheaders(BODY)
        return connection.getresponse().status
    finally:
        connection.close()


def by_aiohttp(method: str = "POST") -> Any:
    import aiohttp

    async def ask() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, TARGET, data=BODY if method == "POST" else None) as answer,
        ):
            return answer.status

    return asyncio.run(ask())


def engine() -> Any:
    import sqlalchemy

    if "sync" not in _engines:
        _engines["sync"] = sqlalchemy.create_engine(f"sqlite:///{DATABASE}")
    return _engines["sync"]


def by_session() -> Any:
    import sqlalchemy
    from sqlalchemy.orm import Session, registry

    if "row" not in _engines:
        names = registry()
        columns = (
            sqlalchemy.Column("id", sqlalchemy.Integer, primary_key=True),
            sqlalchemy.Column("value", sqlalchemy.Float),
        )
        _engines["row"] = type("Prediction", (), {})
        names.map_imperatively(_engines["row"], sqlalchemy.Table("predictions", names.metadata, *columns))
    with Session(engine()) as session:
        row = _engines["row"]()
        row.value = 1.0
        session.add(row)
        session.commit()
    return "written"


def by_core() -> Any:
    import sqlalchemy

    with engine().begin() as connection:
        connection.execute(sqlalchemy.text("INSERT INTO predictions (value) VALUES (2)"))
    return "written"


def by_core_stubborn() -> Any:
    """Catches, and commits all the same; then writes by the driver's own cursor and commits that."""
    import sqlalchemy

    with engine().connect() as connection:
        with contextlib.suppress(Exception):
            connection.execute(sqlalchemy.text("UPDATE predictions SET value = 9"))
        connection.commit()
        connection.execute(sqlalchemy.text("SELECT 1"))
        connection.connection.cursor().execute("UPDATE predictions SET value = 10")
        connection.commit()
    return "written"


def by_sqlalchemy_async() -> Any:
    import sqlalchemy
    from sqlalchemy.ext.asyncio import create_async_engine

    async def write() -> str:
        database = create_async_engine(f"sqlite+aiosqlite:///{DATABASE}")
        try:
            async with database.begin() as connection:
                await connection.execute(sqlalchemy.text("INSERT INTO predictions (value) VALUES (3)"))
        finally:
            await database.dispose()
        return "written"

    return asyncio.run(write())


def django_connection() -> Any:
    import django
    from django.conf import settings
    from django.db import connection

    if not settings.configured:
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}
        settings.configure(DATABASES={"default": database})
        django.setup()
    return connection


def by_django() -> Any:
    with contextlib.closing(django_connection()) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO predictions (value) VALUES (%s)", [5])
    return "written"


def read_by_django() -> Any:
    with contextlib.closing(django_connection()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM predictions")
        return cursor.fetchone()[0]


def read_by_sqlalchemy() -> Any:
    import sqlalchemy

    with engine().connect() as connection:
        return connection.execute(sqlalchemy.text("SELECT count(*) FROM predictions")).scalar_one()


def s3() -> Any:
    import boto3

    if "s3" not in _engines:
        _engines["s3"] = boto3.client("s3", region_name="us-east-1", endpoint_url=MOTO)
    return _engines["s3"]


def by_boto3() -> Any:
    s3().put_object(Bucket="guarded", Key="one", Body=BODY)
    return "written"


def by_boto3_transfer() -> Any:
    """Which boto3 does on threads of its own."""
    import io

    s3().upload_fileobj(io.BytesIO(BODY), "guarded", "two")
    return "written"


def read_by_boto3() -> Any:
    return s3().list_objects_v2(Bucket="guarded")["KeyCount"]


def query_by_boto3() -> Any:
    """A read that is a POST request."""
    import boto3

    client = boto3.client("dynamodb", region_name="us-east-1", endpoint_url=MOTO)
    return len(client.list_tables()["TableNames"])


def by_executor() -> Any:
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(by_httpx).result()


def by_to_thread() -> Any:
    return asyncio.run(asyncio.to_thread(by_requests))


def by_thread() -> Any:
    """A thread that knows nothing of the request."""
    import threading

    found: list[Any] = []

    def work() -> None:
        try:
            found.append(by_httpx())
        except Exception as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(found[0], Exception):
        raise found[0]
    return found[0]


def by_socket() -> Any:
    host, _, port = TARGET.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(
            b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 8\r\nconnection: close\r\n\r\n" + BODY
        )
        return int(connection.recv(100).split()[1])


def by_asyncio_stream() -> Any:
    host, _, port = TARGET.removeprefix("http://").partition(":")

    async def write() -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(BY_HAND)
        status = int((await reader.read(100)).split()[1])
        writer.close()
        return status

    return asyncio.run(write())


def by_uvloop_stream() -> Any:
    import uvloop

    host, _, port = TARGET.removeprefix("http://").partition(":")

    async def write() -> int:
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(BY_HAND)
        status = int((await reader.read(100)).split()[1])
        writer.close()
        return status

    return uvloop.run(write())


def by_file() -> Any:
    (FOLDER / "written").write_bytes(BODY)
    return "written"


def by_rename() -> Any:
    (FOLDER / "kept").rename(FOLDER / "moved")
    return "written"


def by_remove() -> Any:
    (FOLDER / "kept").unlink()
    return "written"


def by_process() -> Any:
    return subprocess.run(["touch", FOLDER / "touched"], check=True).returncode


def by_sqlite3() -> Any:
    connection = sqlite3.connect(DATABASE)
    with connection:
        connection.execute("INSERT INTO predictions (value) VALUES (4)")
    connection.close()
    return "written"


def read_by_sqlite3() -> Any:
    connection = sqlite3.connect(DATABASE)
    found = connection.execute("SELECT count(*) FROM predictions").fetchone()[0]
    connection.close()
    return found


def scratch() -> Any:
    """What stays with the process: temporary files, a database in memory, a look at the machine."""
    import ctypes.util
    import tempfile

    ctypes.util.find_library("c")

    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "inside").write_bytes(BODY)
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE TABLE t (a)")
    connection.close()
    Path("/dev/null").write_bytes(BODY)
    return "kept"


#: Those that are stopped in both scopes, and those that only the scope `process` sees.
WRITES: dict[str, Callable[[], Any]] = {
    function.__name__: function
    for function in (
        by_httpx,
        by_httpx_async,
        by_requests,
        by_urllib,
        by_http_client_by_hand,
        by_aiohttp,
        by_session,
        by_core,
        by_sqlalchemy_async,
        by_django,
        by_boto3,
        by_boto3_transfer,
        by_executor,
        by_to_thread,
    )
}
UNSEEN: dict[str, Callable[[], Any]] = {
    function.__name__: function
    for function in (
        by_thread,
        by_socket,
        by_asyncio_stream,
        by_uvloop_stream,
        by_file,
        by_rename,
        by_remove,
        by_process,
        by_sqlite3,
    )
}
READS: dict[str, Callable[[], Any]] = {
    "get_by_httpx": lambda: by_httpx("GET"),
    "get_by_requests": lambda: by_requests("GET"),
    "get_by_urllib": lambda: by_urllib("GET"),
    "get_by_aiohttp": lambda: by_aiohttp("GET"),
    **{
        function.__name__: function
        for function in (
            read_by_sqlalchemy,
            read_by_django,
            read_by_boto3,
            query_by_boto3,
            read_by_sqlite3,
            scratch,
        )
    },
}
ACTIONS = {**WRITES, **UNSEEN, **READS, "by_core_stubborn": by_core_stubborn}
