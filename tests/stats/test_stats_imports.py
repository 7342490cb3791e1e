from __future__ import annotations

import subprocess
import sys

import pytest

from shadow_mw.stats.libraries import needs_scipy

MODULES = [
    "accuracy",
    "drift",
    "estimate",
    "histogram",
    "increase",
    "kappa",
    "latency",
    "mcnemar",
    "noise",
    "segments",
    "sequence",
]


def run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_the_statistics_imports_no_library() -> None:
    imports = "; ".join(f"import shadow_mw.stats.{module}" for module in MODULES)
    assert run(f"import sys; {imports}; print(sorted({{'numpy', 'scipy'}} & set(sys.modules)))") == "[]"


@pytest.mark.parametrize(
    "call",
    [
        "sequence import confidence_sequence as f; f(1, 2)",
        "histogram import quantile as f; f({1: 1}, 0.5)",
        "latency import paired_latency as f; f([(1, 1)])",
        "mcnemar import mcnemar as f; f(1, 2)",
        "drift import score_psi as f; f([(1.0, 1.0)])",
        "segments import worst_segments as f; f([])",
        "noise import excess as f; f([(1, 2)])",
    ],
)
def test_without_the_extra_they_say_what_to_install(call: str) -> None:
    head = "import sys; sys.modules.update(numpy=None, scipy=None)\n"
    code = f"{head}from shadow_mw import MissingExtraError\ntry:\n  from shadow_mw.stats.{call}\n"
    said = run(f"{code}except MissingExtraError as error: print(error)")
    assert said == "the analysis needs an extra that is not installed: pip install 'shadow-mw[report]'"


def test_what_else_is_missing_is_not_hidden() -> None:
    @needs_scipy
    def asks(module: str) -> None:
        __import__(module)

    with pytest.raises(ModuleNotFoundError, match="nowhere"):
        asks("nowhere")
