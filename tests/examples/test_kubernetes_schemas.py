"""Each object of examples/kubernetes, by Kubernetes' and Istio's own schemas, unknown fields refused."""

from __future__ import annotations

import copy
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml
from kubernetes_manifests import FILES, FOLDER, Object, objects

PAGE = FOLDER.parents[1] / "docs" / "isolation.md"
#: The oldest version that has sidecars, and a late one.
VERSIONS = ("1.29", "1.34")
HOW = "Istio's schemas are not installed: run .ci/install-istio-schemas (needs Go)"


def is_istio(found: Object) -> bool:
    return ".istio.io/" in found["apiVersion"]


def from_the_page() -> list[Object]:
    return [yaml.safe_load(text) for text in re.findall(r"```yaml\n(.*?)```", PAGE.read_text(), re.DOTALL)]


KUBERNETES = [found for found in objects() if not is_istio(found)]
ISTIO = [found for found in [*objects(), *from_the_page()] if is_istio(found)]


def named(found: Object) -> str:
    return f"{found['kind']}-{found['metadata']['name']}"


@cache
def definitions() -> dict[tuple[str, str], Object]:
    """The schema of each kind of each version of Istio's, strict."""
    cache_folder = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    files = sorted((cache_folder / "shadow_mw").glob("istio-*.yaml"))
    if not files:
        pytest.skip(HOW)
    return {
        (f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]): strict(
            version["schema"]["openAPIV3Schema"], is_top=True
        )
        for crd in yaml.load_all(files[-1].read_text(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for version in crd["spec"]["versions"]
    }


def strict(schema: Any, *, is_top: bool = False) -> Any:
    """The same schema, in which no object has a field that is not described."""
    if isinstance(schema, list):
        return [strict(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {key: strict(value) for key, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and schema.get("type") == "object":
        if is_top:
            made["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {"type": "object"}}
        if not schema.get("x-kubernetes-preserve-unknown-fields"):
            made.setdefault("additionalProperties", False)
    return made


def check_istio(found: Object) -> None:
    jsonschema.validate(found, definitions()[found["apiVersion"], found["kind"]])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("found", KUBERNETES, ids=named)
def test_kubernetes_takes_it(found: Object, version: str) -> None:
    kubernetes_validate.validate(found, version, strict=True)


@pytest.mark.parametrize("found", ISTIO, ids=named)
def test_istio_takes_it(found: Object) -> None:
    check_istio(found)


def test_a_field_that_is_none_is_refused() -> None:
    changed = copy.deepcopy(next(found for found in KUBERNETES if found["kind"] == "Deployment"))
    changed["spec"]["template"]["spec"]["runAsNonroot"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(changed, VERSIONS[0], strict=True)
    changed = copy.deepcopy(next(found for found in ISTIO if found["kind"] == "Sidecar"))
    changed["spec"]["outboundTrafficPolicy"]["modes"] = "REGISTRY_ONLY"
    with pytest.raises(jsonschema.ValidationError):
        check_istio(changed)


def test_every_file_is_explained() -> None:
    readme = (FOLDER / "README.md").read_text()
    assert all(f"({name})" in readme for name in FILES)
    assert all(f"examples/kubernetes/{name})" in PAGE.read_text() for name in FILES)
