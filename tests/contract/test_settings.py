from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kea_auth.audit.settings import AuditSettings
from kea_auth.login.settings import LoginSettings
from kea_core.database import DatabaseSettings
from kea_core.settings import DrainSettings, Secret, SettingsError, read_settings, to_environment
from kea_deployer.builds.settings import ImageSettings
from kea_deployer.cluster.settings import ClusterSettings
from kea_deployer.operator.settings import SourceSettings
from kea_gateway.envoy.settings import EnvoySettings
from kea_sdk.platform.options import UpOptions
from kea_sdk.settings import ClientSettings
from workspace import PACKAGES, SERVICE_SETTINGS, classes

ALL = sorted(
    {
        one
        for one in classes(*PACKAGES, "kea_sdk")
        if dataclasses.is_dataclass(one) and one.__name__.endswith("Settings")
    }
    | {UpOptions},
    key=lambda one: one.__name__,
)
services = pytest.mark.parametrize("prefix", SERVICE_SETTINGS)

GIB, MIB = 1024**3, 1024**2
AMONG_SERVICES: dict[str, object] = {"tls_directory": "", "health_address": "", "drain": DrainSettings()}
DEFAULTS: dict[str, dict[str, object]] = {
    "AuditSettings": {
        "directory": "",
        "otlp_address": "",
        "forward_address": "",
        "retention_seconds": 90 * 86_400.0,
        "max_bytes": 10 * GIB,
    },
    "AuthSettings": {
        "audit": AuditSettings(),
        "login": LoginSettings(),
        "bootstrap_token_file": "",
        "activation_delay_seconds": 5.0,
        "rotate_after_seconds": 30 * 86_400.0,
        "service_token_ttl_seconds": 3600.0,
        "bootstrap_token_ttl_seconds": 86_400.0,
        "upkeep_seconds": 10.0,
        **AMONG_SERVICES,
    },
    "ClientSettings": {"token": "", "token_file": None, "login_file": None},
    "DatabaseSettings": {"schema": "", "pool_size": 5, "lock_timeout_seconds": 10.0, "start_wait_seconds": 0.0},
    "ClusterSettings": {
        "kubeconfig": "",
        "namespace": "",
        "lease_name": "kea-deployer",
        "pull_secret": "",
        "secret_prefix": "model-",
        "gateway_namespace": "",
        "drain_delay_seconds": 5,
        "cpu_request": "100m",
        "memory_request": "256Mi",
        "cpu_limit": "",
        "memory_limit": "",
        "unschedulable_seconds": 60.0,
    },
    "DeployerSettings": {
        "audit_address": "",
        "platform": "local",
        "images": ImageSettings(),
        "cluster": ClusterSettings(),
        "socket_directory": Path(),
        "lifeline_fd": -1,
        "keep_replicas_on_stop": False,
        "health_interval_seconds": 2.0,
        "health_timeout_seconds": 2.0,
        "health_failures": 5,
        "start_timeout_seconds": 120.0,
        "drain_seconds": 10.0,
        "drain_delay_seconds": 0.5,
        "max_artifact_bytes": 16 * GIB,
        "max_log_bytes": 10 * MIB,
        "max_body_bytes": 128 * MIB,
        **AMONG_SERVICES,
    },
    "DrainSettings": {"unready_seconds": 0.0, "grace_seconds": 10.0},
    "EnvoySettings": {
        "audit_address": "",
        "tls": False,
        "node_id": "gateway",
        "gateways_address": "",
        "trusted_proxies": 0,
        "metrics_port": 0,
        "max_connections": 10_000,
        "max_streams": 1_000,
        "max_body_bytes": 128 * MIB,
        "buffer_bytes": MIB,
    },
    "GatewaySettings": {"login": False, "private_docs": False, **AMONG_SERVICES},
    "LoginSettings": {
        "http_address": "",
        "public_url": "",
        "providers_file": "",
        "access_ttl_seconds": 600.0,
        "session_ttl_seconds": 43_200.0,
        "attempts_per_minute": 10,
    },
    "RegistrySettings": {
        "audit_address": "",
        "max_artifact_bytes": 16 * GIB,
        "orphan_age_seconds": 3600.0,
        "sweep_seconds": 600.0,
        **AMONG_SERVICES,
    },
    "ImageSettings": {
        "repository": "",
        "base": "",
        "python": "3.11",
        "platforms": ("linux/amd64",),
        "plain_http": (),
        "credentials_file": "",
        "max_cache_bytes": 20 * GIB,
    },
    "LaunchSettings": {
        "audit_address": "",
        "tls_directory": "",
        "host": "0.0.0.0",
        "port": 8080,
        "metrics_port": 0,
        "node_id": "gateway",
        "gateways_address": "",
        "workers": 2,
        "trusted_proxies": 0,
        "access_log": Path("/dev/stdout"),
        "unready_seconds": 5.0,
        "drain_seconds": 20.0,
    },
    "OperatorSettings": {
        "kubeconfig": "",
        "namespaces": (),
        "lease_name": "kea-operator",
        "project": "default",
        "gateway_url": "",
        "fetches_at_once": 2,
        "resync_seconds": 300.0,
        "sources": SourceSettings(),
        **AMONG_SERVICES,
    },
    "SourceSettings": {
        "schemes": ("s3", "https"),
        "file_roots": (),
        "allowed_networks": (),
        "max_bytes": 16 * GIB,
        "fetch_seconds": 3600.0,
        "quiet_seconds": 30.0,
        "check_seconds": 300.0,
    },
    "RouterSettings": {
        "public_address": "",
        "gateways_address": "",
        "auth_http_address": "",
        "private_docs": False,
        "audit_address": "",
        **AMONG_SERVICES,
    },
    "UpOptions": {"host": "127.0.0.1", "port": 8080, "detach": False, "processes": False, "database": ""},
}
"""What is promised to whoever sets nothing. A change here is a change for users, and belongs into the changelog."""


def fields(settings: type) -> tuple[dataclasses.Field[Any], ...]:
    return dataclasses.fields(typing.cast("Any", settings))


def default_of(field: dataclasses.Field[Any]) -> object:
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def needs(field: dataclasses.Field[Any]) -> bool:
    return default_of(field) is dataclasses.MISSING


def undocumented(source: str) -> list[str]:
    """Returns the fields of a class's source that no string follows."""
    (found,) = ast.parse(textwrap.dedent(source)).body
    assert isinstance(found, ast.ClassDef)
    return [
        entry.target.id
        for entry, following in zip(found.body, [*found.body[1:], ast.Pass()], strict=True)
        if isinstance(entry, ast.AnnAssign) and isinstance(entry.target, ast.Name)
        if not _is_text(following)
    ]


def _is_text(statement: ast.AST) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
        and statement.value.value.strip().endswith(".")
    )


def needed(settings: type, prefix: str) -> dict[str, str]:
    """Returns variables for all that has no default, of no more sense than their types ask for."""
    types = typing.get_type_hints(settings)
    found: dict[str, str] = {}
    for field in fields(settings):
        key, kind = f"{prefix}_{field.name.upper()}", types[field.name]
        if dataclasses.is_dataclass(kind) and needs(field):
            found |= needed(typing.cast("type", kind), key)
        elif needs(field):
            found[key] = "sqlite:////tmp/x.db" if field.name == "url" else "/tmp/x"
    return found


def given(prefix: str) -> dict[str, str]:
    """Returns variables of a service that starts: what it needs, and what it needs where it runs by default."""
    more = {"KEA_DEPLOYER": {"KEA_DEPLOYER_SOCKET_DIRECTORY": "/tmp/x"}}
    return needed(SERVICE_SETTINGS[prefix], prefix) | more.get(prefix, {})


def paths(settings: type, prefix: str) -> Iterator[str]:
    """Yields every variable that settings are read from."""
    types = typing.get_type_hints(settings)
    for field in fields(settings):
        key, kind = f"{prefix}_{field.name.upper()}", types[field.name]
        if dataclasses.is_dataclass(kind):
            yield from paths(typing.cast("type", kind), key)
        else:
            yield key


def test_settings_are_found_in_every_service() -> None:
    assert set(SERVICE_SETTINGS.values()) | {ClientSettings, DatabaseSettings, DrainSettings, EnvoySettings} <= set(ALL)


@pytest.mark.parametrize("settings", ALL)
def test_every_setting_is_explained_in_sentences(settings: type) -> None:
    assert settings.__doc__
    assert undocumented(inspect.getsource(settings)) == []


@pytest.mark.parametrize("settings", ALL)
def test_settings_cannot_be_changed_and_are_given_by_name(settings: type) -> None:
    parameters: Any = getattr(settings, "__dataclass_params__")  # noqa: B009 - the stubs do not know it
    assert parameters.frozen
    assert all(field.kw_only for field in fields(settings))


@pytest.mark.parametrize("settings", ALL)
def test_defaults_are_those_that_are_promised(settings: type) -> None:
    found = {field.name: default_of(field) for field in fields(settings) if not needs(field)}
    assert found == DEFAULTS[settings.__name__]


@pytest.mark.parametrize("settings", ALL)
def test_a_number_says_what_it_counts(settings: type) -> None:
    types = typing.get_type_hints(settings)
    for field in fields(settings):
        if types[field.name] is float:
            assert field.name.endswith("_seconds")
        if "bytes" in field.name or "seconds" in field.name:
            assert types[field.name] in (int, float)


@pytest.mark.parametrize("settings", ALL)
def test_a_secret_is_one_by_its_type(settings: type) -> None:
    types = typing.get_type_hints(settings)
    for field in fields(settings):
        if any(word in field.name for word in ("secret", "password", "token", "credential")):
            elsewhere = field.name.endswith(("_file", "_directory", "_seconds"))  # where it is, or how long it lives
            elsewhere |= settings is ClusterSettings and field.name in ("pull_secret", "secret_prefix")  # names of some
            assert elsewhere or types[field.name] is Secret, field.name


@services
def test_a_secret_is_never_shown(prefix: str) -> None:
    settings = SERVICE_SETTINGS[prefix]
    environment = given(prefix)
    if f"{prefix}_DATABASE_URL" in environment:
        environment[f"{prefix}_DATABASE_URL"] = "postgresql://user:hunter2@host/database"
    made = read_settings(settings, prefix, environment)
    assert "hunter2" not in f"{made!r} {made} {[made]}"


def test_what_is_given_to_the_platform_and_its_clients_is_never_shown() -> None:
    given = Secret("postgresql://user:hunter2@host/database")
    assert "hunter2" not in repr(UpOptions(data=Path("/tmp"), database=given))
    client = ClientSettings(url="http://x", project="p", token=Secret("hunter2"), data=Path("/tmp"))
    assert "hunter2" not in repr(client)


@services
def test_a_key_that_is_not_known_is_refused(prefix: str) -> None:
    settings = SERVICE_SETTINGS[prefix]
    environment = given(prefix)
    read_settings(settings, prefix, environment | {"OTHER": "1", "KEA": "1", "KEA_OTHER_ADDRESS": "1"})
    for key in paths(settings, prefix):
        with pytest.raises(SettingsError, match=f"{key}X is not a setting"):
            read_settings(settings, prefix, environment | {f"{key}X": "1"})


@services
def test_nothing_that_is_needed_may_be_missing(prefix: str) -> None:
    settings = SERVICE_SETTINGS[prefix]
    environment = needed(settings, prefix)
    for key in environment:
        with pytest.raises(SettingsError, match=f"{key} must be set"):
            read_settings(settings, prefix, {name: text for name, text in environment.items() if name != key})


@services
def test_settings_survive_the_way_into_a_process_of_their_own(prefix: str) -> None:
    settings = SERVICE_SETTINGS[prefix]
    environment = given(prefix)
    made = read_settings(settings, prefix, environment)
    assert to_environment(made, prefix) == environment
    assert read_settings(settings, prefix, to_environment(made, prefix)) == made


@services
def test_no_service_reads_what_is_another_ones(prefix: str) -> None:
    others = [other for other in SERVICE_SETTINGS if other != prefix]
    assert not any(f"{other}_".startswith(f"{prefix}_") for other in others)


@services
def test_what_services_share_has_the_name_that_is_agreed(prefix: str) -> None:
    types = typing.get_type_hints(SERVICE_SETTINGS[prefix])
    assert types["drain"] is DrainSettings
    assert types.get("database", DatabaseSettings) is DatabaseSettings
    assert types.get("credential_file", Path) is Path
    assert all(types[name] is str for name in types if name.endswith("address"))


def test_these_checks_see_what_is_missing() -> None:
    source = '''
    class Forgetful:
        """What it is."""

        told: int = 1
        """What it is."""
        untold: int = 2
        barely: int = 3
        """ """
        last: int = 4
    '''
    assert undocumented(source) == ["untold", "barely", "last"]
