"""`shadow-mw demo` sends its spans to Jaeger when told where that is, and says what to look for."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from clean_environment import clean_environment
from jaeger import Jaeger


@pytest.mark.timeout(300)
def test_the_demo_is_found_as_it_says(jaeger: Jaeger, tmp_path: Path) -> None:
    clean = clean_environment()
    endpoint = f"http://127.0.0.1:{jaeger.ports[4317]}"
    done = subprocess.run(
        [sys.executable, "-m", "shadow_mw", "demo", "--requests", "20", "--no-dashboard"],
        env={**clean, "TMPDIR": str(tmp_path), "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    [said] = re.findall(r"in Jaeger choose the service (\S+) and the tag request\.id=(\S+)", done.stdout)
    service, request_id = said
    [trace] = jaeger.whole(service, {"request.id": request_id}, spans=3)
    assert trace.shadow.tags["shadow_mw.shadow.name"] == "forest"
    assert trace.shadow.parent == trace.production.parent
    assert trace.warnings == []
    assert {span["operationName"] for span in asked_as_the_page_says(jaeger, service)} >= {
        "predict production",
        "predict shadow",
    }
    logs = {log.name: log.read_text() for log in tmp_path.glob("shadow-mw-demo-*/*.log")}
    assert len(logs["production.log"].splitlines()) == 1, (
        "that Jaeger takes no metrics is no reason to complain"
    )


def asked_as_the_page_says(jaeger: Jaeger, service: str) -> list[dict[str, Any]]:
    """The spans that the command on the page about traces finds, for agreements as there are more of them."""
    page = (Path(__file__).parents[2] / "docs" / "traces.md").read_text()
    [command] = re.findall(r"```sh\n(curl .*?)```", page, re.DOTALL)
    for written, here in {
        "16686": str(jaeger.ports[16686]),
        "loans": service,
        '"disagree"': '"agree"',
    }.items():
        assert written in command
        command = command.replace(written, here)
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return [span for trace in json.loads(done.stdout)["data"] for span in trace["spans"]]
