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
        answer = httpx.post(
            f"http://127.0.0.1:{self.program.port}/decide",
            json={"payment": payment},
            headers={"x-request-id": request_id},
            trust_env=False,
            timeout=60,
        )
        assert answer.status_code == 200, self.program.log
        return answer.json()["label"]
