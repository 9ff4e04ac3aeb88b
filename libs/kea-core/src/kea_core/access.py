"""Who may call which method: read from the descriptors, enforced by an interceptor."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from google.api import resource_pb2
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from kea.common.v1 import options_pb2

from kea_core.authority import Authority
from kea_core.errors import PermissionMissing, TokenMissing
from kea_core.interceptors import Around, Context, Details
from kea_core.policy import ALL, PLATFORM, Policy, Visible
from kea_core.principal import ANONYMOUS, Principal, set_principal

BEARER = "bearer "
NAMED = ("name",)


@dataclass(frozen=True, slots=True)
class Access:
    """What one method asks of its caller. Exactly one of `permission`, `public` and `authenticated` is set."""

    permission: str = ""
    public: bool = field(default=False, kw_only=True)
    authenticated: bool = field(default=False, kw_only=True)
    """Any good token is enough."""
    filtered: bool = field(default=False, kw_only=True)
    """A list; who may see some of its entries gets those: `current_visible()`."""
    resource: tuple[str, ...] = field(default=(), kw_only=True)
    """Path of the request's field that names what it is about; empty: the whole platform."""

    def resource_of(self, request: Any) -> str:
        """Returns the name of what a request is about."""
        value = request
        for name in self.resource:
            value = getattr(value, name)
        return str(value) if self.resource else PLATFORM


FOREIGN: Mapping[str, Access] = {
    "/google.longrunning.Operations/GetOperation": Access("deployer.operations.get", resource=NAMED),
    "/google.longrunning.Operations/ListOperations": Access("deployer.operations.list", resource=NAMED),
    "/google.longrunning.Operations/WaitOperation": Access("deployer.operations.get", resource=NAMED),
    "/google.longrunning.Operations/DeleteOperation": Access("deployer.operations.delete", resource=NAMED),
    "/google.longrunning.Operations/CancelOperation": Access("deployer.operations.cancel", resource=NAMED),
    "/grpc.health.v1.Health/Check": Access(public=True),
    "/grpc.health.v1.Health/List": Access(public=True),
    "/grpc.health.v1.Health/Watch": Access(public=True),
    # Envoy asks for a token before it lets anyone here; what these tell is the same for all.
    "/inference.GRPCInferenceService/ServerLive": Access(public=True),
    "/inference.GRPCInferenceService/ServerReady": Access(public=True),
    "/inference.GRPCInferenceService/ServerMetadata": Access(public=True),
    # What methods there are is public: the document of the API tells the same.
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo": Access(authenticated=True),
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo": Access(authenticated=True),
}
"""Methods of services that are not KEA's and so cannot carry its option."""


def declared(services: Iterable[str]) -> dict[str, Access]:
    """Returns the access of every method of the services, by the method's path.

    Raises:
        ValueError: a method declares no access or more than one kind, or the place of a resource that is not there.
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
            if [bool(option.permission), option.public, option.authenticated].count(True) != 1:
                problem = f"{path} must declare a permission, or that it is public, or that any token is enough"
                raise ValueError(problem)
            found[path] = Access(
                option.permission,
                public=option.public,
                authenticated=option.authenticated,
                filtered=option.filtered,
                resource=_resource_path(method.input_type, option.resource_field),
            )
    return found


def _resource_path(request: Descriptor, declared_path: str) -> tuple[str, ...]:
    """Returns where a request names its resource.

    Raises:
        ValueError: it is declared to be where no string field is.
    """
    if declared_path:
        path = tuple(declared_path.split("."))
        _check_path(request, path)
        return path
    for name in ("name", "parent"):
        if name in request.fields_by_name:
            return (name,)
    for entry in request.fields:
        if entry.type == FieldDescriptor.TYPE_MESSAGE and not entry.is_repeated and _is_resource(entry.message_type):
            # What is made has no name yet: it is made on the platform.
            return () if f"{entry.name}_id" in request.fields_by_name else (entry.name, "name")
    return ()


def _check_path(request: Descriptor, path: tuple[str, ...]) -> None:
    message: Descriptor | None = request
    entry: FieldDescriptor | None = None
    for name in path:
        entry = message.fields_by_name.get(name) if message is not None else None
        message = entry.message_type if entry is not None else None
    if entry is None or entry.type != FieldDescriptor.TYPE_STRING or entry.is_repeated:
        problem = f"{request.full_name} has no string at {'.'.join(path)}"
        raise ValueError(problem)


def _is_resource(message: Descriptor | None) -> bool:
    if message is None:
        return False
    options: Any = message.GetOptions()  # as above
    return bool(options.Extensions[resource_pb2.resource].type)


@dataclass(slots=True)
class _Call:
    """One call, once its caller is known."""

    caller: Principal
    access: Access
    resource: str | None = None
    """Set by the first message."""
    policy: Policy | None = None
    """The one by which it was let through last."""
    visible: Visible = ALL


_call: ContextVar[_Call | None] = ContextVar("kea_call", default=None)


def current_visible() -> Visible:
    """Returns which entries of the list that is asked for its caller may see."""
    call = _call.get()
    return call.visible if call is not None else ALL


@dataclass(frozen=True, slots=True)
class Grant:
    """What the call that runs was decided on, and by."""

    resource: str = PLATFORM
    rule: str = ""
    """A binding's name, or words. Empty: nothing has been decided."""


def current_grant() -> Grant:
    """Returns what the call that runs was decided on, and by."""
    call = _call.get()
    if call is None or call.policy is None:
        return Grant()
    resource = call.resource or PLATFORM
    if call.access.authenticated:
        return Grant(resource, "any token")
    decision = call.policy.decide(call.caller, call.access.permission, resource)
    if decision.binding is None:
        return Grant(resource, "bindings on some" if call.visible.names else "no binding")
    if not decision.allowed:
        return Grant(resource, "scopes of the token")
    return Grant(resource, decision.binding.name or f"built in: {decision.binding.role}")


class Authorization(Around):
    """Lets a call through when its token is good and its caller has the permission, and no undeclared method.

    The resource is known with the first message. A stream of responses is looked at again before each message, as
    what was allowed may have been taken away since.
    """

    def __init__(self, authority: Authority, methods: Mapping[str, Access]) -> None:
        self._authority = authority
        self._methods = methods

    @asynccontextmanager
    async def around(self, details: Details, context: Context) -> AsyncGenerator[None, None]:
        """Checks the caller, and that the method could be allowed at all, then runs the call."""
        method = str(details.method)
        access = self._methods.get(method)
        if access is not None and access.public:
            set_principal(ANONYMOUS)
            _call.set(None)
        else:
            _call.set(self._admit(method, access, context))
        yield

    def on_request(self, details: Details, message: Any) -> None:
        """Checks the permission on the resource that the first message names."""
        del details
        call = _call.get()
        if call is None or call.access.authenticated or call.resource is not None:
            return
        call.resource = call.access.resource_of(message)
        self._decide(call)

    def on_response(self, details: Details, message: Any) -> None:
        """Checks again where the policy is another than when that was done last."""
        del details, message
        call = _call.get()
        if call is None or call.policy is self._authority.policy:
            return
        self._authority.check(call.caller)
        if not call.access.authenticated:
            self._decide(call)
        call.policy = self._authority.policy

    def _admit(self, method: str, access: Access | None, context: Context) -> _Call:
        token = _bearer(context)
        if token is None:
            raise TokenMissing
        caller = self._authority.admit(token)
        set_principal(caller)
        if access is None:
            wanted = f"to call {method}"
            raise PermissionMissing(wanted, caller.subject)
        # What could not be allowed for any resource is refused before a message is awaited.
        policy = self._authority.policy
        if not access.authenticated and not policy.anywhere(caller, access.permission):
            raise PermissionMissing(access.permission, caller.subject)
        return _Call(caller, access, policy=policy)

    def _decide(self, call: _Call) -> None:
        policy, permission, resource = self._authority.policy, call.access.permission, call.resource or PLATFORM
        if call.access.filtered:
            call.visible = policy.visible(call.caller, permission, resource)
            allowed = bool(call.visible)
        else:
            allowed = policy.decide(call.caller, permission, resource).allowed
        if not allowed:
            raise PermissionMissing(permission, call.caller.subject, resource)
        call.policy = policy


def _bearer(context: Context) -> str | None:
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            text = value if isinstance(value, str) else value.decode("latin-1")
            if text[: len(BEARER)].lower() == BEARER:
                return text[len(BEARER) :].strip()
    return None
