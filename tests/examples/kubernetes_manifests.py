"""The files of examples/kubernetes: their objects, and who reaches whom by their policies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

FOLDER = Path(__file__).parents[2] / "examples" / "kubernetes"
FILES = sorted(path.name for path in FOLDER.glob("*.yaml"))
#: What is applied together, each without the files for other needs.
SIDECAR = ("namespaces", "network", "shadow", "production-sidecar")
KAFKA = ("namespaces", "network", "shadow", "production-kafka", "worker")

Object = dict[str, Any]


class Pod(NamedTuple):
    """A pod as policies see it."""

    namespace: str
    labels: dict[str, str]


def objects(*names: str) -> list[Object]:
    """The objects of files by their names without suffix; of all files where none is named."""
    files = [f"{name}.yaml" for name in names] or FILES
    return [found for file in files for found in yaml.safe_load_all((FOLDER / file).read_text())]


def of_kind(kind: str, *names: str) -> list[Object]:
    return [found for found in objects(*names) if found["kind"] == kind]


def one(kind: str, name: str, *names: str) -> Object:
    (found,) = [found for found in of_kind(kind, *names) if found["metadata"]["name"] == name]
    return found


def containers(deployment: Object) -> list[Object]:
    spec = deployment["spec"]["template"]["spec"]
    return [*spec["containers"], *spec.get("initContainers", ())]


def pod_of(deployment: Object) -> Pod:
    return Pod(deployment["metadata"]["namespace"], deployment["spec"]["template"]["metadata"]["labels"])


def environment(container: Object, maps: list[Object]) -> dict[str, str]:
    """The variables of a container, with `secret` for the value of a Secret."""
    data = {found["metadata"]["name"]: found["data"] for found in maps}
    found = {}
    for source in container.get("envFrom", ()):
        found |= data[source["configMapRef"]["name"]]
    return found | {entry["name"]: entry.get("value", "secret") for entry in container.get("env", ())}


def selects(selector: Object, labels: dict[str, str]) -> bool:
    """Whether a selector of `matchLabels` alone, or of all, means these labels."""
    assert set(selector) <= {"matchLabels"}, "these tests read matchLabels only"
    return selector.get("matchLabels", {}).items() <= labels.items()


def reaches(policies: list[Object], source: Pod, target: Pod | str, port: int, protocol: str = "TCP") -> bool:
    """Whether a connection is let out of one pod and into the other, or to an address."""
    out = _lets(policies, "Egress", source, target, port, protocol)
    return out and (isinstance(target, str) or _lets(policies, "Ingress", target, source, port, protocol))


def _lets(policies: list[Object], way: str, pod: Pod, other: Pod | str, port: int, protocol: str) -> bool:
    meant = [policy for policy in policies if way in policy["spec"]["policyTypes"] and _means(policy, pod)]
    rules = [rule for policy in meant for rule in policy["spec"].get(way.lower(), ())]
    return not meant or any(
        _opens(rule.get("ports"), port, protocol)
        and any(_is_peer(peer, pod.namespace, other) for peer in rule.get("from", rule.get("to", [{}])))
        for rule in rules
    )


def _means(policy: Object, pod: Pod) -> bool:
    in_namespace = policy["metadata"]["namespace"] == pod.namespace
    return in_namespace and selects(policy["spec"]["podSelector"], pod.labels)


def _opens(ports: list[Object] | None, port: int, protocol: str) -> bool:
    return ports is None or {"protocol": protocol, "port": port} in ports


def _is_peer(peer: Object, own: str, other: Pod | str) -> bool:
    if not peer:
        return True
    if isinstance(other, str):
        return "ipBlock" in peer  # which addresses, no file of ours has to say
    near = (
        selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other.namespace})
        if ("namespaceSelector" in peer)
        else other.namespace == own
    )
    return near and selects(peer.get("podSelector", {}), other.labels)


def blocks_of_addresses(node: object) -> Iterator[object]:
    """Each `ipBlock` anywhere in an object."""
    if isinstance(node, dict):
        yield from (value for key, value in node.items() if key == "ipBlock")
        for value in node.values():
            yield from blocks_of_addresses(value)
    elif isinstance(node, list):
        for value in node:
            yield from blocks_of_addresses(value)
