"""Who may call which method: read from the descriptors, enforced by an interceptor."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from google.protobuf import descriptor_pool
from kea.common.v1 import options_pb2

from kea_core.errors import PermissionMissing, TokenMissing
from kea_core.interceptors import Around, Context, Details
from kea_core.principal import ANONYMOUS, Principal, set_principal
from kea_core.roles import grants
from kea_core.tokens import TokenVerifier

BEARER = "bearer "


@dataclass(frozen=True, slots=True)
class Access:
    """What one method asks of its caller."""

    permission: str
    public: bool = False


FOREIGN: Mapping[str, Access] = {
    "/google.longrunning.Operations/GetOperation": Access("deployer.operations.get"),
    "/google.longrunning.Operations/ListOperations": Access("deployer.operations.list"),
    "/google.longrunning.Operations/WaitOperation": Access("deployer.operations.get"),
    "/google.longrunning.Operations/DeleteOperation": Access("deployer.operations.delete"),
    "/google.longrunning.Operations/CancelOperation": Access("deployer.operations.cancel"),
    "/grpc.health.v1.Health/Check": Access("", public=True),
    "/grpc.health.v1.Health/List": Access("", public=True),
    "/grpc.health.v1.Health/Watch": Access("", public=True),
    # Envoy asks for a token before it lets anyone here; what these tell is the same for all.
    "/inference.GRPCInferenceService/ServerLive": Access("", public=True),
    "/inference.GRPCInferenceService/ServerReady": Access("", public=True),
    "/inference.GRPCInferenceService/ServerMetadata": Access("", public=True),
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": Access("core.reflection.list"),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Access("core.reflection.list"),
}
"""Methods of services that are not KEA's and so cannot carry its option."""


def declared(services: Iterable[str]) -> dict[str, Access]:
    """Returns the access of every method of the services, by the method's path.

    Raises:
        ValueError: a method declares neither a permission nor that it is public.
    """
    found = dict(FOREIGN)
    pool = descriptor_pool.Default()
    for service in services:
        for method in pool.FindServiceByName(service).methods:
            path = f"/{service}/{method.name}"
            if path in FOREIGN:
                continue
            options: Any = method.GetOptions()  # stubs know extensions as fields only
            option = options.Extensions[options_pb2.access]
            if bool(option.permission) == option.public:
                problem = f"{path} must declare either a permission or that it is public"
                raise ValueError(problem)
            found[path] = Access(option.permission, public=option.public)
    return found


class Authorization(Around):
    """Lets a call through when its token is good and grants the method's permission, and no undeclared method."""

    def __init__(self, verifier: TokenVerifier, methods: Mapping[str, Access]) -> None:
        self._verifier = verifier
        self._methods = methods

    @asynccontextmanager
    async def around(self, details: Details, context: Context) -> AsyncGenerator[None, None]:
        """Checks the caller, then runs the call."""
        set_principal(self._admit(details, context))
        yield

    def _admit(self, details: Details, context: Context) -> Principal:
        method = str(details.method)
        access = self._methods.get(method)
        token = _bearer(context)
        if access is not None and access.public:
            return ANONYMOUS
        if token is None:
            raise TokenMissing
        principal = self._verifier.verify(token)
        if access is None or not grants(principal.roles, access.permission):
            raise PermissionMissing(access.permission if access else f"to call {method}", principal.subject)
        return principal


def _bearer(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            text = value if isinstance(value, str) else value.decode("latin-1")
            if text[: len(BEARER)].lower() == BEARER:
                return text[len(BEARER) :].strip()
    return None
