"""A canary in the places where secrets travel: it is in no file, no line of the log and no header of ours."""

from __future__ import annotations

import http.client
from typing import Any

import pytest
from process_tools import DEADLINE_SECONDS, comparisons
from stub_shadow import StubShadow

TALKATIVE = """
import logging, uvicorn
logging.basicConfig(level=logging.DEBUG)
uvicorn.run("process_app:app", port=0, access_log=False)
"""
CANARY = "canary-7f3a"
BODY = b'{"x": 1, "login": {"Password": "canary-7f3a"}, "items": [{"token": "canary-7f3a"}]}'
HEADERS = {
    "authorization": f"Bearer {CANARY}",
    "proxy-authorization": f"Basic {CANARY}",
    "cookie": f"session={CANARY}",
    "x-api-key": CANARY,
    "baggage": f"user={CANARY}",
    "content-type": "application/json",
}


@pytest.mark.parametrize("queue", ["inline:", "process:"])
def test_secrets_are_in_no_record_no_log_and_no_header(start: Any, shadow: StubShadow, queue: str) -> None:
    program = start("-c", TALKATIVE, SHADOW_TARGETS=shadow.url, SHADOW_QUEUE=queue)
    connection = http.client.HTTPConnection("127.0.0.1", program.port, timeout=DEADLINE_SECONDS)
    connection.request("POST", f"/predict?api_key={CANARY}", BODY, HEADERS)
    assert connection.getresponse().read() == BODY
    connection.close()
    assert program.statistics() == {"eligible": 1, "compared": 1, "agree": 1}
    [asked] = shadow.asked
    assert CANARY not in repr(asked.headers)
    assert asked.body == BODY, "a shadow predicts from what production was asked"
    program.process.terminate()
    program.wait()
    [record] = comparisons(program.store)
    assert record["features"].count("[redacted]") == 2
    kept = [path.read_bytes() for path in program.store.rglob("*") if path.is_file()]
    assert not [one for one in kept if CANARY.encode() in one]
    assert CANARY not in program.log
