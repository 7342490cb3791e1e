"""Two makes of SQS that tests start for themselves, and one that answers what a test wants."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
from store_servers import free_port

from shadow_mw.queue_urls import SQSAddress, sqs_address

REGION = "us-east-1"
HOW_ELASTICMQ = "ElasticMQ is not installed; to run this: .ci/install-brokers"
#: What a test may take on a busy machine.
PATIENCE_SECONDS = 60.0


class Service:
    """One running server, and what a test asks it behind the back of what is tested."""

    def __init__(self, make: str, url: str) -> None:
        self.make = make
        self.url = url
        self.sqs = boto3.client("sqs", region_name=REGION, endpoint_url=url)
        self.s3 = boto3.client("s3", region_name=REGION, endpoint_url=url)

    def new_queue(self, *, is_fifo: bool = False, receives: int = 0, visibility_seconds: int = 30) -> Queue:
        """A queue; with a dead-letter queue when `receives` says after how many."""
        ending = ".fifo" if is_fifo else ""
        name = f"q{uuid.uuid4().hex[:12]}"
        attributes = {"VisibilityTimeout": str(visibility_seconds)}
        kind = {"FifoQueue": "true"} if is_fifo else {}
        dead_url = ""
        if receives:
            dead_url = self.sqs.create_queue(QueueName=f"{name}-dead{ending}", Attributes=kind)["QueueUrl"]
            found = self.sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["QueueArn"])
            policy = {
                "deadLetterTargetArn": found["Attributes"]["QueueArn"],
                "maxReceiveCount": str(receives),
            }
            attributes["RedrivePolicy"] = json.dumps(policy)
        url = self.sqs.create_queue(QueueName=f"{name}{ending}", Attributes={**attributes, **kind})[
            "QueueUrl"
        ]
        return Queue(self, f"{name}{ending}", url, dead_url)

    def new_bucket(self) -> str:
        name = f"b{uuid.uuid4().hex[:12]}"
        self.s3.create_bucket(Bucket=name)
        return name

    def close(self) -> None:
        self.sqs.close()
        self.s3.close()


class Queue:
    def __init__(self, service: Service, name: str, url: str, dead_url: str) -> None:
        self.service = service
        self.name = name
        self.url = url
        self.dead_url = dead_url

    @property
    def address(self) -> SQSAddress:
        return sqs_address(f"sqs://{REGION}/{self.name}")

    def counts(self) -> tuple[int, int]:
        """How many messages wait, and how many are hidden."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
        found = self.service.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=names)["Attributes"]
        return int(found[names[0]]), int(found[names[1]])

    def receive(self, url: str = "", seconds: int = 0) -> list[dict[str, Any]]:
        """What another reader gets, of this queue or that one."""
        return self.service.sqs.receive_message(
            QueueUrl=url or self.url,
            MaxNumberOfMessages=10,
            WaitTimeSeconds=seconds,
            MessageAttributeNames=["All"],
            MessageSystemAttributeNames=["All"],
        ).get("Messages", [])

    def receive_dead(self) -> list[dict[str, Any]]:
        """What is among the dead letters, when something is."""
        return until(lambda: self.receive(self.dead_url, 1))


def until(condition: Callable[[], Any]) -> Any:
    """What a condition says when it says something."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.02)
    return found


@contextlib.contextmanager
def running_moto(folder: Path) -> Iterator[Service]:
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with _running(command, port, folder / "moto.log"):
        service = Service("moto", f"http://127.0.0.1:{port}")
        yield service
        service.close()


@contextlib.contextmanager
def running_elasticmq(jars: Path, folder: Path) -> Iterator[Service]:
    port = free_port()
    settings = folder / "elasticmq.conf"
    settings.write_text(
        'include classpath("application.conf")\n'
        f'node-address {{ host = "127.0.0.1", port = {port} }}\n'
        f'rest-sqs {{ bind-hostname = "127.0.0.1", bind-port = {port} }}\n'
        "rest-stats { enabled = false }\n"
    )
    java = [str(shutil.which("java")), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
    command = [*java, f"-Dconfig.file={settings}", "-cp", f"{jars}/*", "org.elasticmq.server.Main"]
    with _running(command, port, folder / "elasticmq.log"):
        service = Service("elasticmq", f"http://127.0.0.1:{port}")
        yield service
        service.close()


def find_elasticmq() -> Path | None:
    """The folder of jars that `.ci/install-brokers` makes."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    found = sorted((cache / "shadow_mw").glob("elasticmq-*"))
    return found[-1] if found and shutil.which("java") else None


@contextlib.contextmanager
def _running(command: list[str], port: int, log: Path) -> Iterator[None]:
    import socket

    def answers() -> bool:
        assert child.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return True
        return False

    with log.open("w") as said, subprocess.Popen(command, stdout=said, stderr=said) as child:
        try:
            until(answers)
            yield
        finally:
            child.kill()


class StubSQS:
    """A server of the JSON protocol of SQS that answers what a test says, and remembers what it was asked."""

    def __init__(self, answer: Callable[[str, dict[str, Any]], tuple[int, dict[str, Any]]]) -> None:
        """`answer` gets operation and request, and returns a status and the answer."""
        self.answer = answer
        self.asked: list[tuple[str, dict[str, Any]]] = []
        stub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                operation = self.headers["X-Amz-Target"].rpartition(".")[2]
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                stub.asked.append((operation, request))
                status, answered = stub.answer(operation, request)
                body = json.dumps(answered).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.0")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                """Say nothing."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: object, address: object) -> None:
                """Say nothing of clients that hang up."""

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.address = sqs_address(f"{self.url}/1/stubbed")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def entries(self, operation: str) -> list[dict[str, Any]]:
        """All entries of the batches of one operation, as they came."""
        return [entry for asked, request in self.asked if asked == operation for entry in request["Entries"]]

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def taken(entries: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer that takes these entries of a batch."""
    return {
        "Successful": [{"Id": entry["Id"], "MessageId": "m", "MD5OfMessageBody": ""} for entry in entries]
    }


def refused(code: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    """The answer that refuses a request."""
    return status, {"__type": f"com.amazonaws.sqs#{code}", "message": "AKIAQUOTED secret-quoted"}
