"""What the files of examples/kubernetes mean: who reaches whom, what selects what, what variables say."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from kubernetes_manifests import (
    KAFKA,
    SIDECAR,
    Object,
    Pod,
    blocks_of_addresses,
    containers,
    environment,
    objects,
    of_kind,
    one,
    pod_of,
    reaches,
    selects,
)

from shadow_mw.guard_variables import GUARD_VARIABLES
from shadow_mw.settings import Settings, load_settings, variable

SHADOW = Pod("loans-shadow", {"app": "challenger"})
WORKER = Pod("loans-shadow", {"app": "shadow-worker"})
PRODUCTION = Pod("loans", {"app": "loans"})
DATABASE = Pod("loans", {"app": "loans-db"})
RECORDS = Pod("records", {"app": "postgres"})
BROKER = Pod("kafka", {"app": "kafka"})
DNS = Pod("kube-system", {"k8s-app": "kube-dns"})
STRANGERS = [Pod("default", {}), Pod("loans", {"app": "web"}), Pod("loans-shadow", {"app": "other"})]
OUTSIDE = ["169.254.169.254", "1.1.1.1", "10.0.0.1"]
_UNITS = {"m": 1e-3, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30}
_TAGGED = re.compile(r"[a-z0-9./-]+:(?!latest\Z)[A-Za-z0-9._-]+\Z")
WORKLOADS = [
    pytest.param(found, names, id=f"{found['metadata']['name']}-{names[-1]}")
    for names in (SIDECAR, KAFKA)
    for found in of_kind("Deployment", *names)
]


def policies(*more: str) -> list[Object]:
    return of_kind("NetworkPolicy", "network", *more)


def amount(text: str) -> float:
    number, unit = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", str(text)).groups()
    return float(number) * _UNITS.get(unit, 1)


def security(spec: Object, container: Object) -> Object:
    return {**spec.get("securityContext", {}), **container["securityContext"]}


@pytest.mark.fault("shadow-reaches-out")
@pytest.mark.parametrize("port", [53, 80, 443, 5432, 8000, 9092, 15012])
@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_the_shadow_reaches_nobody(port, protocol):
    for target in (DATABASE, RECORDS, BROKER, DNS, PRODUCTION, WORKER, *STRANGERS, *OUTSIDE):
        assert not reaches(policies(), SHADOW, target, port, protocol), target


@pytest.mark.fault("shadow-reaches-out")
def test_with_istio_and_a_feature_store_it_reaches_these_and_no_more():
    both = policies("istio", "feature-store")
    istiod, features = Pod("istio-system", {"app": "istiod"}), Pod("features", {"app": "feature-store"})
    assert reaches(both, SHADOW, istiod, 15012)
    assert reaches(both, SHADOW, DNS, 53, "UDP")
    assert reaches(both, SHADOW, features, 8080)
    assert not any(
        reaches(both, SHADOW, target, port)
        for target in (DATABASE, RECORDS, BROKER, PRODUCTION, *STRANGERS, *OUTSIDE)
        for port in (53, 80, 443, 5432, 8000, 8080, 9092, 15012)
    )


def test_only_the_mirror_and_the_workers_ask_the_shadow():
    assert reaches(policies(), PRODUCTION, SHADOW, 8001)
    assert reaches(policies(), WORKER, SHADOW, 8001)
    assert not reaches(policies(), PRODUCTION, SHADOW, 22)
    assert not any(reaches(policies(), stranger, SHADOW, 8001) for stranger in [*STRANGERS, DATABASE])


def test_the_workers_reach_what_they_work_with_and_not_productions_database():
    for target, port, protocol in (
        (SHADOW, 8001, "TCP"),
        (BROKER, 9092, "TCP"),
        (RECORDS, 5432, "TCP"),
        (DNS, 53, "UDP"),
    ):
        assert reaches(policies(), WORKER, target, port, protocol)
    assert not reaches(policies(), WORKER, DATABASE, 5432)
    assert not any(reaches(policies(), WORKER, address, 443) for address in OUTSIDE)
    assert reaches(policies(), Pod("monitoring", {}), WORKER, 9464)
    assert not any(reaches(policies(), stranger, WORKER, 9464) for stranger in STRANGERS)


def test_production_reaches_what_it_did_before():
    for target in (DATABASE, BROKER, SHADOW, *OUTSIDE):
        assert reaches(policies(), PRODUCTION, target, 8001 if target == SHADOW else 5432)
    assert not any(reaches(policies(), stranger, DATABASE, 5432) for stranger in STRANGERS)


def test_no_policy_names_addresses():
    assert list(blocks_of_addresses(policies("istio", "feature-store"))) == []


def test_what_the_policies_name_is_what_the_files_make():
    made = [pod_of(found) for found in of_kind("Deployment")]
    assert (
        {pod.namespace for pod in made}
        == {found["metadata"]["name"] for found in of_kind("Namespace")}
        == {"loans", "loans-shadow"}
    )
    assert all(pod in made for pod in (SHADOW, WORKER, PRODUCTION))
    accounts = {
        (found["metadata"]["namespace"], found["metadata"]["name"]) for found in of_kind("ServiceAccount")
    }
    for found in of_kind("AuthorizationPolicy"):
        for rule in found["spec"].get("rules", ()):
            for source in rule["from"]:
                for principal in source["source"].get("principals", ()):
                    _, _, namespace, _, account = principal.split("/")
                    assert (namespace, account) in accounts


def test_by_identity_only_the_mirror_asks_and_only_to_predict():
    everybody = one("AuthorizationPolicy", "nobody-speaks")
    assert everybody["spec"] == {}
    assert everybody["metadata"]["namespace"] == "loans-shadow"
    meant = [
        found
        for found in of_kind("AuthorizationPolicy", "istio")
        if found["metadata"]["namespace"] == "loans-shadow"
        and selects(found["spec"].get("selector", {}), SHADOW.labels)
    ]
    (allowed,) = [found for found in meant if found is not everybody and found["spec"]]
    (rule,) = allowed["spec"]["rules"]
    assert rule["to"] == [{"operation": {"ports": ["8001"], "methods": ["POST"], "paths": ["/decide"]}}]
    config = one("ConfigMap", "shadow", "worker")["data"]
    assert config["SHADOW_ROUTES"] == "POST /decide"
    assert one("PeerAuthentication", "default")["spec"]["mtls"]["mode"] == "STRICT"
    (denied,) = [f for f in of_kind("AuthorizationPolicy", "istio") if f["metadata"]["namespace"] == "loans"]
    assert denied["spec"] == {
        "action": "DENY",
        "rules": [{"from": [{"source": {"namespaces": ["loans-shadow"]}}]}],
    }


def test_the_shadows_proxy_knows_nobody():
    for found in of_kind("Sidecar"):
        assert found["spec"]["outboundTrafficPolicy"] == {"mode": "REGISTRY_ONLY"}
        assert not any(
            host.startswith("*/") or (host.endswith("/*") and host != "~/*")
            for egress in found["spec"]["egress"]
            for host in egress["hosts"]
        )
    (egress,) = one("Sidecar", "challenger", "istio")["spec"]["egress"]
    assert egress["hosts"] == ["~/*"]


@pytest.mark.parametrize(("deployment", "names"), WORKLOADS)
def test_every_pod_is_locked_down_and_its_parts_fit(deployment, names):
    spec = deployment["spec"]["template"]["spec"]
    assert deployment["spec"]["selector"]["matchLabels"] == pod_of(deployment).labels
    assert spec["automountServiceAccountToken"] is False
    assert spec["enableServiceLinks"] is False
    assert one("ServiceAccount", spec["serviceAccountName"], *names)["automountServiceAccountToken"] is False
    volumes = {volume["name"] for volume in spec["volumes"]}
    for container in containers(deployment):
        context = security(spec, container)
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] > 0
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert _TAGGED.match(container["image"]), container["image"]
        assert {mount["name"] for mount in container["volumeMounts"]} <= volumes
        assert {"cpu", "memory"} <= set(container["resources"]["requests"])
        assert "memory" in container["resources"]["limits"]
        probed = [container[kind] for kind in ("readinessProbe", "livenessProbe") if kind in container]
        ports = {port["name"] for port in container["ports"]}
        assert {probe.get("httpGet", probe.get("tcpSocket"))["port"] for probe in probed} <= ports


@pytest.mark.parametrize("names", [SIDECAR, KAFKA], ids=["sidecar", "kafka"])
def test_services_and_budgets_select_the_pods_they_mean(names):
    deployments = of_kind("Deployment", *names)
    for found in [*of_kind("Service", *names), *of_kind("PodDisruptionBudget", *names)]:
        selector = found["spec"]["selector"]
        meant = [
            deployment
            for deployment in deployments
            if (pod := pod_of(deployment)).namespace == found["metadata"]["namespace"]
            and selector.get("matchLabels", selector).items() <= pod.labels.items()
        ]
        assert [deployment["metadata"]["name"] for deployment in meant] == [found["metadata"]["name"]]
        ports = {port["name"] for container in containers(meant[0]) for port in container["ports"]}
        assert {port["targetPort"] for port in found["spec"].get("ports", ())} <= ports
        assert found["spec"].get("minAvailable", 0) < meant[0]["spec"]["replicas"]
    assert {f["metadata"]["name"] for f in of_kind("PodDisruptionBudget", *names)} == {
        f["metadata"]["name"] for f in deployments
    }


def ports_of_commands() -> Iterator[tuple[Object, int]]:
    for deployment in of_kind("Deployment"):
        for container in containers(deployment):
            if "--port" in container["command"]:
                yield container, int(container["command"][container["command"].index("--port") + 1])
            else:
                (entry,) = [entry for entry in container["env"] if entry["name"] == "SHADOW_WORKER_LISTEN"]
                yield container, int(entry["value"].rpartition(":")[2])


def test_ports_are_the_ones_that_are_listened_at_and_asked():
    for container, port in ports_of_commands():
        assert [declared["containerPort"] for declared in container["ports"]] == [port]
    service = one("Service", "challenger")
    host = f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.cluster.local"
    (port,) = [port["port"] for port in service["spec"]["ports"]]
    for config in of_kind("ConfigMap"):
        assert config["data"]["SHADOW_TARGETS"] == f"challenger=http://{host}:{port}"


@pytest.mark.parametrize(("deployment", "names"), WORKLOADS)
def test_every_variable_is_a_setting_with_a_valid_value(deployment, names, monkeypatch):
    namespace = deployment["metadata"]["namespace"]
    maps = [f for f in of_kind("ConfigMap", *names) if f["metadata"]["namespace"] == namespace]
    for container in containers(deployment):
        given = environment(container, maps)
        assert set(given) <= {variable(name) for name in Settings.model_fields} | set(GUARD_VARIABLES)
        with monkeypatch.context() as patch:
            for name, value in given.items():
                assert isinstance(value, str), f"{name} has to stand in quotation marks"
                patch.setenv(name, value)
            settings = load_settings()
        if "SHADOW_DRAIN_SECONDS" in given:
            grace = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
            assert settings.drain_seconds + 10 <= grace


def test_app_and_worker_are_told_the_same():
    first, second = (one("ConfigMap", "shadow", name)["data"] for name in ("production-kafka", "worker"))
    assert first == second
    for found in of_kind("Deployment", "production-sidecar"):
        given = [container["envFrom"] for container in containers(found)]
        assert given[0] == given[1]


def test_the_shadow_is_below_production_and_displaces_nobody():
    production, shadow = one("PriorityClass", "production"), one("PriorityClass", "shadow")
    assert shadow["value"] < 0 < production["value"]
    assert shadow["preemptionPolicy"] == "Never"
    for found in of_kind("Deployment"):
        spec = found["spec"]["template"]["spec"]
        mine = "shadow" if found["metadata"]["namespace"] == "loans-shadow" else "production"
        assert (spec["priorityClassName"], spec["nodeSelector"]) == (mine, {"pool": mine})
        assert ("tolerations" in spec) == (mine == "shadow")
    refused = one("ResourceQuota", "no-high-priority")
    assert refused["spec"]["hard"] == {"pods": "0"}
    assert "production" in refused["spec"]["scopeSelector"]["matchExpressions"][0]["values"]


def test_all_of_the_shadows_pods_fit_into_its_quota_in_a_rollout_too():
    hard = one("ResourceQuota", "shadow")["spec"]["hard"]
    used = dict.fromkeys(hard, 0.0)
    for found in of_kind("Deployment", *KAFKA):
        if found["metadata"]["namespace"] != "loans-shadow":
            continue
        pods = found["spec"]["replicas"] + 1
        used["pods"] += pods
        for container in containers(found):
            for kind, amounts in container["resources"].items():
                for what, text in amounts.items():
                    used[f"{kind}.{what}"] += pods * amount(text)
    assert all(used[what] <= amount(most) for what, most in hard.items()), (used, hard)


def test_the_shadow_has_no_secret_and_its_guard_blocks():
    found = one("Deployment", "challenger")
    (container,) = containers(found)
    assert environment(container, []) == {"SHADOW_GUARD": "block", "SHADOW_GUARD_SCOPE": "process"}
    assert [volume["name"] for volume in found["spec"]["template"]["spec"]["volumes"]] == ["tmp"]
    assert not [f for f in objects() if f["kind"] in ("RoleBinding", "ClusterRoleBinding", "Secret")]


@pytest.mark.fault("sidecar-ends")
def test_the_sidecar_gives_kubernetes_no_reason_to_take_production_out():
    spec = one("Deployment", "loans", "production-sidecar")["spec"]["template"]["spec"]
    (sidecar,) = spec["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    assert not [key for key in sidecar if key.endswith("Probe")]
    (kibibytes,) = re.findall(r"ulimit -d (\d+)", sidecar["args"][0])
    assert int(kibibytes) * 1024 <= amount(sidecar["resources"]["limits"]["memory"]) - 192 * 2**20
    written = [mount["name"] for mount in sidecar["volumeMounts"] if not mount.get("readOnly")]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    assert all(volumes[name]["emptyDir"]["medium"] == "Memory" for name in written)
    assert sidecar["image"] == spec["containers"][0]["image"], "another image might not be there"
