"""The `kea` command and the Python client.

The names are imported when they are first used: the command line is in this package too, and `kea --help` should not
wait for gRPC.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kea_sdk.access_resources import AccessDecision, ApiKey, Binding, Caller, Role, ServiceAccount, User
    from kea_sdk.client import Client
    from kea_sdk.errors import (
        Aborted,
        AlreadyExists,
        BuildFailed,
        DeadlineExceeded,
        DeploymentFailed,
        FailedPrecondition,
        FieldViolation,
        InvalidArgument,
        KeaClientError,
        NotFound,
        PackagingError,
        PermissionDenied,
        ResourceExhausted,
        SettingsError,
        Unauthenticated,
        Unavailable,
        Unreachable,
    )
    from kea_sdk.limits import Limits, ProjectLimits, RateLimit
    from kea_sdk.resources import Build, Deployment, Endpoint, LogLine, Model, ModelVersion, Rollout, Target, Token

__all__ = [
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

_ACCESS = {"AccessDecision", "ApiKey", "Binding", "Caller", "Role", "ServiceAccount", "User"}
_LIMITS = {"Limits", "ProjectLimits", "RateLimit"}
_RESOURCES = {"Build", "Deployment", "Endpoint", "LogLine", "Model", "ModelVersion", "Rollout", "Target", "Token"}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        problem = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(problem)
    homes = {"Client": "client", **dict.fromkeys(_RESOURCES, "resources"), **dict.fromkeys(_ACCESS, "access_resources")}
    homes |= dict.fromkeys(_LIMITS, "limits")
    return getattr(importlib.import_module(f"kea_sdk.{homes.get(name, 'errors')}"), name)
