"""How a callable is named in `SHADOW_TARGETS`."""

from __future__ import annotations

import pytest

from shadow_mw import SettingsError
from shadow_mw.cli import main
from shadow_mw.settings import load_settings
from shadow_mw.targets import parse_target


@pytest.mark.parametrize(
    ("text", "name", "url"),
    [
        ("python:mymodels:predict", "shadow", "python:mymodels:predict"),
        ("candidate=python:my.models_2:Model.predict", "candidate", "python:my.models_2:Model.predict"),
        (" b = python:modelé:f ".replace(" b =", "b="), "b", "python:modelé:f"),
    ],
)
def test_a_callable_is_a_target(text, name, url):
    target = parse_target(text)
    assert (target.name, target.url, target.is_python) == (name, url, True)
    assert target.asked_url("/predict") == url
    assert str(target) == f"{name}={url}"
    assert not parse_target("http://127.0.0.1:9").is_python


@pytest.mark.parametrize(
    "text",
    [
        "python:",
        "python:module",
        "python:module:",
        "python::f",
        "a=python:m:f()",
        "python:m:f:g",
        "python:1m:f",
    ],
)
def test_what_names_no_callable_is_refused_with_the_mend(text):
    with pytest.raises(SettingsError, match="write python:module:attribute"):
        parse_target(text)


def test_both_kinds_of_target_stand_side_by_side(monkeypatch):
    monkeypatch.setenv("SHADOW_TARGETS", "a=http://127.0.0.1:9, b=python:models:predict")
    monkeypatch.setenv("SHADOW_REPLICAS", "3")
    settings = load_settings(routes="POST /predict")
    assert [target.is_python for target in settings.targets] == [False, True]
    assert settings.replicas == 3


@pytest.mark.parametrize(
    ("name", "code", "sentence"),
    [
        ("good", 0, "ok   target shadow at python:some_model:good is imported and can be called"),
        ("bad", 1, "FAIL target shadow at python:some_model:bad cannot be asked"),
    ],
)
def test_check_imports_it(monkeypatch, tmp_path, capsys, name, code, sentence):
    (tmp_path / "some_model.py").write_text("def good(features):\n    return 1\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SHADOW_TARGETS", f"python:some_model:{name}")
    monkeypatch.setenv("SHADOW_ROUTES", "POST /predict")
    assert main(["check"]) == code
    printed = capsys.readouterr().out
    assert sentence in printed
    assert "next start" not in printed
