"""What parts that may not import one another must have the same all the same."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import kea.sdk
import kea_deployer.convert
import kea_sdk
import pytest
from kea.registry.v1 import model_version_pb2
from kea_auth.login.cookies import Cookies
from kea_core.access import FOREIGN
from kea_core.roles import BUILT_IN_MEMBERS, SERVICE_ACCOUNTS
from kea_deployer.settings import DeployerSettings
from kea_gateway.envoy import access_log, bootstrap, local_replies
from kea_gateway.envoy.settings import EnvoySettings
from kea_gateway.inference_messages import inference_file
from kea_gateway.portal.reflection import REFLECTED_SERVICES
from kea_registry.domain.model_version import Framework
from kea_router.translate import endpoint_routes, management_routes, names, policy
from kea_router.xds import stream
from kea_runtime import frameworks, layer
from kea_sdk.settings import DEFAULT_PROJECT
from packaging.markers import Marker
from packaging.requirements import Requirement
from workspace import ROOT

LUA = (resources.files("kea_gateway.envoy") / "scope.lua").read_text(encoding="utf-8")
SESSION_LUA = (resources.files("kea_gateway.envoy") / "session.lua").read_text(encoding="utf-8")
INFERENCE = inference_file().service[0]
INFERENCE_NAME = f"{inference_file().package}.{INFERENCE.name}"


def constant(name: str) -> str:
    """Returns a string that the Lua script gives a name."""
    found = re.search(rf'^local {name} = "([^"]*)"$', LUA, re.MULTILINE)
    assert found is not None, f"scope.lua has no {name}"
    return found.group(1)


def envoy(gateways_address: str = "") -> dict[str, Any]:
    settings = EnvoySettings(
        host="127.0.0.1",
        port=1,
        xds_address="unix:/x",
        admin_socket=Path("/a"),
        access_log=Path("/l"),
        descriptors=Path("/d"),
        services=(),
        gateways_address=gateways_address,
    )
    return bootstrap.bootstrap(settings)


def connection_manager() -> dict[str, Any]:
    return envoy()["static_resources"]["listeners"][0]["filter_chains"][0]["filters"][0]["typed_config"]


def test_the_scope_of_everything_else_is_the_same_in_lua_and_in_the_router() -> None:
    assert constant("MANAGEMENT") == names.MANAGEMENT_SCOPE


def test_an_envoy_with_a_local_cluster_tells_the_router_so() -> None:
    assert stream.LOCAL_CLUSTER == bootstrap.LOCAL_CLUSTER
    told = envoy(gateways_address="kea-gateway-members:8080")
    assert told["node"]["metadata"] == told["cluster_manager"] == {stream.LOCAL_CLUSTER: bootstrap.GATEWAYS_CLUSTER}
    (cluster,) = [c for c in told["static_resources"]["clusters"] if c["name"] == bootstrap.GATEWAYS_CLUSTER]
    assert cluster["type"] == "STRICT_DNS"
    assert stream.LOCAL_CLUSTER not in envoy()["node"]["metadata"]


def test_the_inference_service_is_the_same_everywhere() -> None:
    assert names.INFERENCE_SERVICE == bootstrap.SERVICE == INFERENCE_NAME
    assert constant("GRPC") == f"/{INFERENCE_NAME}/"


def test_lua_sets_the_header_that_scopes_are_chosen_by_and_no_callers_own_survives() -> None:
    fragments = connection_manager()["scoped_routes"]["scope_key_builder"]["fragments"]
    assert [entry["header_value_extractor"]["name"] for entry in fragments] == [bootstrap.SCOPE_HEADER]
    for header in (bootstrap.SCOPE_HEADER, names.VERSION_HEADER):
        assert f'headers:add("{header}"' in LUA
        assert LUA.index(f'headers:remove("{header}")') < LUA.index(f'headers:add("{header}"')


def test_every_header_that_lua_adds_it_removes_first() -> None:
    added = set(re.findall(r'headers:add\("([^"]+)"', LUA))
    assert added
    assert added == set(re.findall(r'headers:remove\("([^"]+)"', LUA))


def test_a_scope_is_project_and_endpoint_on_both_sides() -> None:
    assert names.scope_key("p", "e") == "p/e"
    assert 'return project .. "/" .. endpoint' in LUA


def test_the_default_project_is_the_same_everywhere() -> None:
    assert f'project or "{DEFAULT_PROJECT}"' in LUA
    assert re.findall(r'project or "([^"]*)"', LUA) == [DEFAULT_PROJECT] * 2


def test_the_jwt_filter_and_its_claims_are_found_under_the_names_they_are_given() -> None:
    assert names.JWT_FILTER == bootstrap.JWT_FILTER
    assert names.REVOCATION_FILTER == bootstrap.REVOCATION_FILTER
    assert f"[{names.REVOKED}]" in local_replies.REVOKED_DETAILS
    assert f"%REQ({names.SUBJECT_HEADER.upper()})%" == access_log.SUBJECT
    ids = [f"%REQ({header.upper()})%" for header in names.TOKEN_ID_HEADERS.values()]
    assert list(access_log.CALLER.values()) == [access_log.SUBJECT, *ids]


def test_a_sessions_cookie_has_one_name_for_who_sets_checks_and_passes_it_on() -> None:
    assert (Cookies(secure=False).access, Cookies(secure=True).access) == (
        names.SESSION_COOKIE,
        names.HOST_SESSION_COOKIE,
    )
    assert re.findall(r'cookie\(text, "([^"]+)"\)', SESSION_LUA) == [names.HOST_SESSION_COOKIE, names.SESSION_COOKIE]
    assert f'"{names.SESSION_COOKIE}="' in SESSION_LUA
    assert names.HOST_SESSION_COOKIE.endswith(names.SESSION_COOKIE)  # so that what is looked for in a cookie is in both


def test_no_header_that_is_made_of_a_token_is_taken_from_a_caller() -> None:
    (first,) = connection_manager()["early_header_mutation_extensions"]
    removed = {mutation["remove"] for mutation in first["typed_config"]["mutations"]}
    assert removed == set(names.CLAIM_HEADERS.values())


@pytest.mark.parametrize(
    "name",
    [
        *(names.JWT_FILTER, policy.RBAC_FILTER, endpoint_routes.TRANSCODER),
        *(names.LIMITS_FILTER, names.CONCURRENCY_FILTER, names.PROJECT_LIMITS_FILTER),
    ],
)
def test_a_filter_that_routes_speak_of_is_one_that_envoy_has(name: str) -> None:
    # Envoy passes over what a route says to a filter that is not there, a policy among it.
    assert name in [entry["name"] for entry in connection_manager()["http_filters"]]


def test_requests_are_counted_once_it_is_known_that_they_may_be_made_and_projects_last() -> None:
    found = [entry["name"] for entry in connection_manager()["http_filters"]]
    order = [policy.RBAC_FILTER, names.CONCURRENCY_FILTER, names.LIMITS_FILTER, names.PROJECT_LIMITS_FILTER]
    assert [name for name in found if name in order] == order


def test_lua_reads_the_metadata_of_the_filter_that_leaves_it() -> None:
    filters = {entry["name"]: entry for entry in connection_manager()["http_filters"]}
    extracted = filters[constant("FIELDS")]["typed_config"]["extractions_by_method"]
    of_models = {method.name for method in INFERENCE.method} - of_the_server()
    assert set(extracted) == {f"{INFERENCE_NAME}.{method}" for method in of_models}
    fields = {field for entry in extracted.values() for field in entry["request_field_extractions"]}
    assert fields == set(re.findall(r'field\(fields, "([^"]+)"\)', LUA))


def of_the_server() -> set[str]:
    found = re.search(r"^local OF_THE_SERVER = \{(.*)\}$", LUA, re.MULTILINE)
    assert found is not None
    return set(re.findall(r"(\w+) = true", found.group(1)))


def test_what_is_not_of_a_model_is_the_same_in_lua_and_where_it_is_served() -> None:
    prefix = f"/{INFERENCE_NAME}/"
    assert {f"{prefix}{method}" for method in of_the_server()} == {path for path in FOREIGN if path.startswith(prefix)}


@pytest.mark.parametrize("service", [name for name in REFLECTED_SERVICES if not name.startswith("grpc.health")])
def test_a_service_that_is_reflected_is_one_that_can_be_called(service: str) -> None:
    assert any(f"/{service}/".startswith(prefix) for prefix, _ in management_routes.GRPC_PREFIXES)


def test_the_gateway_and_the_model_servers_take_bodies_of_the_same_size() -> None:
    defaults = [
        next(field.default for field in settings.__dataclass_fields__.values() if field.name == "max_body_bytes")
        for settings in (EnvoySettings, DeployerSettings)
    ]
    assert defaults[0] == defaults[1]
    assert "MAX_BODY_BYTES" in LUA


def test_the_frameworks_are_the_same_from_the_proto_to_the_model_server() -> None:
    values = model_version_pb2.DESCRIPTOR.enum_types_by_name["Framework"].values_by_name
    known = {name.removeprefix("FRAMEWORK_").lower() for name in values} - {"unspecified"}
    assert known == {framework.value.lower() for framework in Framework}
    assert known == set(layer.FRAMEWORK_REQUIREMENTS) == set(frameworks.LOADERS)
    assert known == set(kea_deployer.convert.FRAMEWORKS.values())


def requirement(line: str) -> tuple[str, str, Marker | None]:
    parsed = Requirement(line)
    return parsed.name, str(parsed.specifier), parsed.marker


def test_the_runtimes_layer_is_what_its_distribution_depends_on() -> None:
    document = tomllib.loads((ROOT / "services" / "runtime" / "pyproject.toml").read_text())
    depended = {requirement(line) for line in document["project"]["dependencies"]}
    ours = {entry for entry in depended if entry[0].startswith("kea-")}
    assert {requirement(line) for line in (*layer.LAYER_REQUIREMENTS, *layer.BASE_REQUIREMENTS)} == depended - ours


def test_every_service_account_has_a_role_by_its_own_name() -> None:
    for account in SERVICE_ACCOUNTS:
        assert BUILT_IN_MEMBERS[f"serviceAccounts/{account}"] == f"service-{account}"


def test_what_the_sdk_gives_is_what_is_promised() -> None:
    assert sorted(kea.sdk.__all__) == [
        "Aborted",
        "AccessDecision",
        "AlreadyExists",
        "ApiKey",
        "Binding",
        "Build",
        "BuildFailed",
        "Caller",
        "Client",
        "DeadlineExceeded",
        "Deployment",
        "DeploymentFailed",
        "Endpoint",
        "FailedPrecondition",
        "FieldViolation",
        "InvalidArgument",
        "KeaClientError",
        "Limits",
        "LogLine",
        "Model",
        "ModelVersion",
        "NotFound",
        "PackagingError",
        "PermissionDenied",
        "ProjectLimits",
        "RateLimit",
        "ResourceExhausted",
        "Role",
        "Rollout",
        "ServiceAccount",
        "SettingsError",
        "Target",
        "Token",
        "Unauthenticated",
        "Unavailable",
        "Unreachable",
        "User",
    ]


def test_the_sdk_gives_what_it_says_and_nothing_else() -> None:
    public = {name for name in vars(kea.sdk) if not name.startswith("_")}
    assert public == set(kea.sdk.__all__) == set(kea_sdk.__all__)
    assert all(getattr(kea.sdk, name) is getattr(kea_sdk, name) for name in public)
