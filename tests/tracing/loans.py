"""An app that decides on loans, as a test asks it."""

from __future__ import annotations

from typing import Any

import httpx
from process_tools import Program


class Loans:
    """A running app that decides on loans."""

    def __init__(self, program: Program) -> None:
        self.program = program

    def decide(self, request_id: str, payment: float) -> Any:
        """Ask for a decision; more than 1,000 is declined."""
        answer = self._post(request_id, {"payment": payment})
        assert answer.status_code == 200, self.program.log
        return answer.json()["label"]

    def fail(self, request_id: str) -> None:
        """Ask about nothing, of which the app makes a failure."""
        assert self._post(request_id, {}).status_code == 500, self.program.log

    def _post(self, request_id: str, loan: dict[str, float]) -> httpx.Response:
        return httpx.post(
            f"http://127.0.0.1:{self.program.port}/decide",
            json=loan,
            headers={"x-request-id": request_id},
            trust_env=False,
            timeout=60,
        )
