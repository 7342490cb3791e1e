"""Nothing that runs what it reads: no pickle, marshal, shelve or unsafe YAML in the package."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "shadow_mw"
FORBIDDEN = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve", "yaml"}
RUNNERS = {"eval", "exec", "compile", "__import__"}


def test_no_module_reads_objects_that_could_run_code():
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            modules += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            calls = [node.func.id] if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else []
            bad = {module.partition(".")[0] for module in modules} & FORBIDDEN | {*calls} & RUNNERS
            found += [f"{path.relative_to(PACKAGE)}:{node.lineno} {name}" for name in bad]
    assert found == []
