"""What the chart renders. After a change that is meant, run this with `--update-chart` and read the diff."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from kea_auth.settings import AuthSettings
from kea_core.settings import read_settings
from kea_deployer.operator.settings import OperatorSettings
from kea_deployer.settings import DeployerSettings
from kea_gateway.envoy.settings import LaunchSettings
from kea_gateway.settings import GatewaySettings
from kea_registry.settings import RegistrySettings
from kea_router.settings import RouterSettings
from rendering import CASES, KUBERNETES, HelmError, Object, Pod, of_kind, one, pods, render, run_helm, selects, written

pytestmark = pytest.mark.cluster
GOLDENS = Path(__file__).parent / "goldens"
SETTINGS: dict[str, tuple[type, str]] = {
    "auth": (AuthSettings, "KEA_AUTH"),
    "registry": (RegistrySettings, "KEA_REGISTRY"),
    "deployer": (DeployerSettings, "KEA_DEPLOYER"),
    "operator": (OperatorSettings, "KEA_OPERATOR"),
    "router": (RouterSettings, "KEA_ROUTER"),
    "portal": (GatewaySettings, "KEA_GATEWAY"),
    "envoy": (LaunchSettings, "KEA_ENVOY"),
}
VOLUMES = {"configMap", "emptyDir", "persistentVolumeClaim", "projected", "secret"}
SECRET = re.compile(r"PASSWORD|SECRET|TOKEN|CREDENTIAL|DATABASE_URL")
NAMES_OF_SECRETS = {"KEA_DEPLOYER_CLUSTER_PULL_SECRET"}
"""Say where a secret is, not what it is."""
each_case = pytest.mark.parametrize("case", CASES)


@pytest.fixture(scope="module")
def rendered() -> dict[str, list[Object]]:
    return {case: render(case) for case in CASES}


@each_case
def test_the_chart_renders_what_it_did(case: str, request: pytest.FixtureRequest) -> None:
    found, golden = written(render(case)), GOLDENS / f"{case}.yaml"
    if request.config.getoption("--update-chart", default=False):
        golden.write_text(found)
    assert found == golden.read_text()


def test_there_is_a_golden_file_for_each_case_and_no_other() -> None:
    assert sorted(path.stem for path in GOLDENS.iterdir()) == CASES


@each_case
def test_every_pod_is_restricted(case: str, rendered: dict[str, list[Object]]) -> None:
    for pod in pods(rendered[case]):
        security = pod.spec["securityContext"]
        assert (security["runAsNonRoot"], security["runAsUser"]) == (True, 65532)
        assert security["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
        assert pod.spec["automountServiceAccountToken"] is (pod.component in {"deployer", "operator"})
        assert pod.spec["enableServiceLinks"] is False
        for volume in pod.spec["volumes"]:
            assert len(volume) == 2
            assert volume.keys() <= VOLUMES | {"name"}
        for container in pod.containers:
            security = container["securityContext"]
            assert security["allowPrivilegeEscalation"] is False
            assert security["readOnlyRootFilesystem"] is True
            assert security["capabilities"] == {"drop": ["ALL"]}
            assert not any("hostPort" in port for port in container.get("ports", ()))


@each_case
def test_every_container_is_bounded_and_watched(case: str, rendered: dict[str, list[Object]]) -> None:
    for pod in pods(rendered[case]):
        for volume in pod.spec["volumes"]:
            assert "sizeLimit" in volume.get("emptyDir", {"sizeLimit": ""}), (pod.name, volume["name"])
        for container in pod.containers:
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]
            if pod.kind != "Job":
                assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


@each_case
def test_every_probe_and_every_service_finds_a_port(case: str, rendered: dict[str, list[Object]]) -> None:
    found = pods(rendered[case])
    for pod in found:
        for container in pod.containers:
            ports = {port["name"]: port["containerPort"] for port in container.get("ports", ())}
            for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
                told = container.get(probe, {})
                assert "httpGet" not in told or told["httpGet"]["port"] in ports
                assert "grpc" not in told or told["grpc"]["port"] in ports.values()
    for service in of_kind(rendered[case], "Service"):
        behind = [pod for pod in found if selects(service["spec"]["selector"], pod.labels)]
        assert len(behind) == 1
        names = {port["name"] for container in behind[0].containers for port in container["ports"]}
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= names


@each_case
def test_no_secret_stands_in_a_manifest(case: str, rendered: dict[str, list[Object]]) -> None:
    for pod in pods(rendered[case]):
        for container in pod.containers:
            for name, value in pod.variables(container, rendered[case]).items():
                elsewhere = value == f"<{name}>" or value.startswith("/") or name in NAMES_OF_SECRETS
                assert elsewhere or not SECRET.search(name.removesuffix("_SECONDS")), name
                assert not re.search(r"://[^/]*:[^/]*@", value), name


@each_case
@pytest.mark.parametrize("container", SETTINGS)
def test_every_service_understands_what_it_is_set_by(
    case: str, container: str, rendered: dict[str, list[Object]]
) -> None:
    settings, prefix = SETTINGS[container]
    pod, found = container_of(rendered[case], container)
    variables = pod.variables(found, rendered[case])
    database = f"{prefix}_DATABASE_URL"
    if database in variables:
        variables[database] = "postgresql://kea:password@host/kea"
    read_settings(settings, prefix, variables)


def container_of(objects: list[Object], name: str) -> tuple[Pod, Any]:
    ((pod, found),) = [
        (pod, found) for pod in pods(objects) if pod.kind != "Job" for found in pod.containers if found["name"] == name
    ]
    return pod, found


PORTS = {"9090": "grpc", "9091": "xds", "9093": "otlp"}
CALLED_BY_ROUTER = ("AUTH_ADDRESS", "AUDIT_ADDRESS", "DEPLOYER_ADDRESS")


@pytest.mark.parametrize("case", ["default", "trial", "ingress"])
def test_whoever_is_told_an_address_may_connect_to_it_and_nobody_else(
    case: str, rendered: dict[str, list[Object]]
) -> None:
    told, allowed = set[tuple[str, str, str]](), set[tuple[str, str, str]]()
    objects = rendered[case]
    for pod in pods(objects):
        for container in pod.containers:
            for name, value in pod.variables(container, objects).items():
                address = re.fullmatch(r"kea-([a-z]+):(\d+)", value)
                # What the router is told for Envoy, Envoy calls.
                if address and (pod.component != "router" or name.endswith(CALLED_BY_ROUTER)):
                    told.add((pod.component, address[1], PORTS[address[2]]))
    for policy in of_kind(objects, "NetworkPolicy"):
        target = policy["spec"]["podSelector"]["matchLabels"]["app.kubernetes.io/component"]
        for rule in policy["spec"].get("ingress", ()):
            for peer in rule.get("from", ()):
                for port in rule["ports"]:
                    source = peer.get("podSelector", {}).get("matchLabels", {}).get("app.kubernetes.io/component")
                    if source and port["port"] in PORTS.values():
                        allowed.add((source, target, port["port"]))
    assert told == allowed


@each_case
def test_every_component_may_lose_one_pod_at_a_time(case: str, rendered: dict[str, list[Object]]) -> None:
    budgets = {
        budget["spec"]["selector"]["matchLabels"]["app.kubernetes.io/component"]: budget["spec"]["maxUnavailable"]
        for budget in of_kind(rendered[case], "PodDisruptionBudget")
    }
    assert budgets == dict.fromkeys(("auth", "deployer", "gateway", "operator", "registry", "router"), 1)


def test_pods_are_replaced_when_what_they_are_set_by_changes() -> None:
    before, after = (pods(render("default", "--set", f"gateway.workers={count}")) for count in (2, 3))
    changed = [old.name for old, new in zip(before, after, strict=True) if old.annotations != new.annotations]
    assert changed == ["kea-gateway"]


def test_a_gateway_ends_only_when_its_callers_have_gone(rendered: dict[str, list[Object]]) -> None:
    pod, portal = container_of(rendered["default"], "portal")
    _, envoy = container_of(rendered["default"], "envoy")
    drain = int(pod.variables(envoy, rendered["default"])["KEA_ENVOY_DRAIN_SECONDS"])
    assert envoy["lifecycle"]["preStop"]["exec"]["command"][-1] == "drain"
    assert (
        drain < int(portal["lifecycle"]["preStop"]["exec"]["command"][-1]) < pod.spec["terminationGracePeriodSeconds"]
    )


@each_case
def test_gateways_and_the_router_count_the_gateways_that_are_ready(
    case: str, rendered: dict[str, list[Object]]
) -> None:
    objects, told = rendered[case], set[str]()
    for name in ("envoy", "router"):
        pod, container = container_of(objects, name)
        told |= {value for key, value in pod.variables(container, objects).items() if key.endswith("GATEWAYS_ADDRESS")}
    (address,) = told
    members = one(objects, "Service", address.partition(":")[0])
    gateway, _ = container_of(objects, "envoy")
    # An address for each pod, not one for all.
    assert (members["spec"]["clusterIP"], members["spec"]["publishNotReadyAddresses"]) == ("None", False)
    assert selects(members["spec"]["selector"], gateway.labels)


def rules_of(objects: list[Object], account: str) -> list[tuple[str, list[Any]]]:
    """Returns the namespace, or nothing for all, and the rules of each role that an account of the release has."""
    found: list[tuple[str, list[Any]]] = []
    for kind, role in (("RoleBinding", "Role"), ("ClusterRoleBinding", "ClusterRole")):
        for binding in of_kind(objects, kind):
            if binding["subjects"] == [{"kind": "ServiceAccount", "name": account, "namespace": "kea"}]:
                namespace = binding["metadata"].get("namespace", "")
                (rules,) = [
                    entry["rules"]
                    for entry in of_kind(objects, role)
                    if entry["metadata"]["name"] == binding["roleRef"]["name"]
                    and entry["metadata"].get("namespace", "") == namespace
                ]
                found.append((namespace, rules))
    return found


def test_the_deployer_may_do_nothing_but_in_the_models_namespace(rendered: dict[str, list[Object]]) -> None:
    ((namespace, rules),) = rules_of(rendered["ingress"], "kea-deployer")
    assert namespace == "team-models"
    assert not any("secrets" in rule["resources"] or "*" in rule["verbs"] for rule in rules)


def test_the_operator_reads_no_secrets_unless_it_is_told_to() -> None:
    for readable in (False, True):
        found = rules_of(
            render("default", "--set", f"customResources.readSecrets={str(readable).lower()}"), "kea-operator"
        )
        assert {namespace for namespace, _ in found} == {"", "kea"}
        rules = [rule for _, rules in found for rule in rules]
        assert any("secrets" in rule["resources"] for rule in rules) is readable
        assert not any("*" in (*rule["resources"], *rule["verbs"], *rule["apiGroups"]) for rule in rules)


def test_an_operator_of_some_namespaces_has_rights_in_no_others() -> None:
    objects = render("default", "--set", "customResources.namespaces={team-a,team-b}")
    assert {namespace for namespace, _ in rules_of(objects, "kea-operator")} == {"kea", "team-a", "team-b"}
    pod, found = container_of(objects, "operator")
    assert pod.variables(found, objects)["KEA_OPERATOR_NAMESPACES"] == "team-a,team-b"


def test_who_may_edit_a_namespace_may_not_write_what_the_operator_tells(rendered: dict[str, list[Object]]) -> None:
    (role,) = [
        role
        for role in of_kind(rendered["default"], "ClusterRole")
        if "rbac.authorization.k8s.io/aggregate-to-edit" in role["metadata"]["labels"]
    ]
    assert not any(resource.endswith("/status") for rule in role["rules"] for resource in rule["resources"])


def test_the_definitions_of_custom_resources_stay_when_they_shall() -> None:
    for keep in (True, False):
        objects = render("default", "--set", f"customResources.keep={str(keep).lower()}")
        found = list(of_kind(objects, "CustomResourceDefinition"))
        assert len(found) == 2
        for definition in found:
            kept = definition["metadata"].get("annotations", {}).get("helm.sh/resource-policy")
            assert kept == ("keep" if keep else None)
    assert not list(of_kind(render("default", "--set", "customResources.install=false"), "CustomResourceDefinition"))


def test_without_custom_resources_there_is_no_operator() -> None:
    objects = render("default", "--set", "customResources.enabled=false")
    assert not [entry for entry in objects if entry["metadata"]["name"].endswith("operator")]
    assert not list(of_kind(objects, "CustomResourceDefinition")) + list(of_kind(objects, "ClusterRole"))


@pytest.mark.parametrize(("case", "secret"), [("mtls-issuer", "kea-{}-tls"), ("mtls-secrets", "given-{}")])
def test_with_mutual_tls_every_container_has_the_certificate_of_its_component(
    case: str, secret: str, rendered: dict[str, list[Object]]
) -> None:
    for name, (_, prefix) in SETTINGS.items():
        pod, container = container_of(rendered[case], name)
        directory = pod.variables(container, rendered[case])[f"{prefix}_TLS_DIRECTORY"]
        (mount,) = [mount for mount in container["volumeMounts"] if mount["mountPath"] == directory]
        assert mount["readOnly"] is True
        assert "subPath" not in mount  # what is mounted by subPath is never renewed
        (volume,) = [volume for volume in pod.spec["volumes"] if volume["name"] == mount["name"]]
        assert volume["secret"] == {"secretName": secret.format(pod.component), "defaultMode": 0o440}


def test_a_certificate_has_every_name_by_which_its_component_is_called(rendered: dict[str, list[Object]]) -> None:
    objects = rendered["mtls-issuer"]
    certificates = {found["metadata"]["name"]: found["spec"] for found in of_kind(objects, "Certificate")}
    assert {spec["secretName"] for spec in certificates.values()} == {f"{name}-tls" for name in certificates}
    for pod in pods(objects):
        for container in pod.containers:
            for value in pod.variables(container, objects).values():
                if address := re.fullmatch(r"(kea-[a-z]+):\d+", value):
                    assert address[1] in certificates[address[1]]["dnsNames"]
        if pod.kind == "Deployment" and pod.component != "postgres":
            account = pod.spec["serviceAccountName"]
            assert certificates[pod.name]["uris"] == [f"spiffe://example/ns/kea/sa/{account}"]


def test_without_mutual_tls_nothing_is_asked_of_cert_manager(rendered: dict[str, list[Object]]) -> None:
    for case in ("default", "mtls-secrets"):
        assert not list(of_kind(rendered[case], "Certificate"))


def test_an_operator_that_is_not_there_needs_no_certificate() -> None:
    assert render("mtls-secrets", "--set", "mtls.secrets.operator=", "--set", "customResources.enabled=false")


def test_tables_are_migrated_before_an_upgrade_with_the_new_images(rendered: dict[str, list[Object]]) -> None:
    job = one(rendered["trial"], "Job", "kea-migrations")
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-upgrade"
    images = {each["name"]: each["image"] for each in job["spec"]["template"]["spec"]["containers"]}
    assert images.keys() == {"auth", "deployer", "registry", "router"}
    for name, image in images.items():
        assert image == container_of(rendered["trial"], name)[1]["image"]


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("gateway.service.type=Ingress", "/gateway/service/type"),
        ("gateway.replicas=none", "/gateway/replicas"),
        ("gateway.replica=2", "replica"),
        ("imageRegistry=https://registry.example", "/imageRegistry"),
        ("artifacts.storage.kind=hostPath", "/artifacts/storage/kind"),
        ("artifacts.url=/data", "/artifacts/url"),
        ("deployer.replicas=2", "/deployer/replicas"),
        ("models.namespace=Models", "/models/namespace"),
        ("images.auth.digest=latest", "/images/auth/digest"),
        ("auth.resources.limits.memory=lots", "/auth/resources/limits/memory"),
        ("mtls.duration=ninety days", "/mtls/duration"),
        ("mtls.secrets.portal=tls", "portal"),
    ],
)
def test_a_wrong_value_is_refused_with_its_place(value: str, told: str) -> None:
    with pytest.raises(HelmError) as refused:
        render("default", "--set", value)
    assert told in str(refused.value).replace(".", "/")


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (("imageRegistry=",), "imageRegistry must be set"),
        (("database.existingSecret=",), "database.existingSecret must be set"),
        (("database.trial.enabled=true",), "both set; expected one of them"),
        (("deployer.images.base=",), "deployer.images.base must be set"),
        (("deployer.images.repository=",), "deployer.images.repository must be set"),
        (("registry.replicas=2",), "one registry alone can use a volume"),
        (("auth.replicas=2",), "on a volume that one auth alone can use"),
        (("gateway.httpRoute.enabled=true",), "gateway.httpRoute.parentRefs must be set"),
        (("metrics.enabled=false", "metrics.serviceMonitor.enabled=true"), "metrics.enabled is not"),
        (("models.namespace=kea",), "models.namespace is the release's own"),
        (("mtls.enabled=true",), "neither mtls.issuerRef.name nor mtls.secrets; expected one of them"),
        (
            ("mtls.enabled=true", "mtls.issuerRef.name=a", "mtls.secrets.auth=b"),
            "mtls.issuerRef.name and mtls.secrets are both set; expected one of them",
        ),
        (("mtls.enabled=true", "mtls.secrets.auth=a"), "mtls.secrets.[a-z]+ must be set: the Secret with its tls.crt"),
    ],
)
def test_what_does_not_go_together_is_refused(values: tuple[str, ...], told: str) -> None:
    with pytest.raises(HelmError, match=told):
        render("default", *(argument for value in values for argument in ("--set", value)))


def test_the_chart_is_well_formed() -> None:
    chart = str(GOLDENS.parents[2] / "deploy" / "chart")
    run_helm("lint", "--strict", chart, *KUBERNETES, "--values", str(GOLDENS.parent / "values" / "default.yaml"))
