"""The example with MLflow's scoring server does what its README says, typed as it stands there."""

from __future__ import annotations

from pathlib import Path

import pytest
from curl_line import send
from environments import variables_of
from process_fixtures import runtime
from process_tools import Runtime, comparisons
from terminals import Terminals, reported

__all__ = ["runtime"]


@pytest.mark.timeout(600)
def test_the_readme_can_be_typed_line_by_line(tmp_path: Path, runtime: Runtime) -> None:
    own = variables_of("mlflow", tmp_path / "home")
    with Terminals("mlflow_server", tmp_path, runtime, 8000, 8001, variables=own) as terminals:
        train, challenger, production, request, report = terminals.blocks()
        terminals.run(train)
        terminals.start("challenger", challenger, "Uvicorn running")
        terminals.start("production", production, "Uvicorn running")
        assert send(request, terminals.folder) == {"predictions": ["setosa", "virginica"]}
        figures = reported(terminals, report, 1)
        assert figures == {"eligible": 1, "compared": 1, "unaccounted": 0, "agree": 0, "disagree": 1}
        (one,) = comparisons(terminals.folder / ".shadow")
        assert (one["items"], one["items_agree"]) == (2, 1)
        said = terminals.said("production")
        assert "mirrors all of POST /invocations to bayes=http://127.0.0.1:" in said
        assert "Traceback" not in said + terminals.said("challenger")
