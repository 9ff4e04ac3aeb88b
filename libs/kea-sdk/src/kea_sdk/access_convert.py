"""Messages of the API about who may do what, as the client's own values."""

from __future__ import annotations

from kea.auth.v1 import access_service_pb2, binding_pb2, role_pb2, service_account_pb2, user_pb2

from kea_sdk.access_resources import AccessDecision, ApiKey, Binding, Caller, Role, ServiceAccount, User
from kea_sdk.access_words import Question
from kea_sdk.convert import last, time_of


def role(message: role_pb2.Role) -> Role:
    """Returns a role."""
    return Role(
        name=last(message.name),
        description=message.description,
        permissions=tuple(message.permissions),
        built_in=message.built_in,
        create_time=time_of(message.create_time),
        update_time=time_of(message.update_time),
        etag=message.etag,
    )


def binding(message: binding_pb2.Binding) -> Binding:
    """Returns a binding."""
    return Binding(
        name=last(message.name),
        member=message.member,
        role=last(message.role),
        resource=message.resource,
        create_time=time_of(message.create_time),
        creator=message.creator,
    )


def decision(message: access_service_pb2.CheckAccessResponse, asked: Question) -> AccessDecision:
    """Returns the answer to a question."""
    return AccessDecision(
        permission=asked.permission,
        resource=asked.resource,
        allowed=message.allowed,
        binding=binding(message.binding) if message.HasField("binding") else None,
        explanation=message.explanation,
    )


def caller(message: access_service_pb2.Caller) -> Caller:
    """Returns who calls."""
    return Caller(
        subject=message.subject,
        groups=tuple(message.groups),
        scopes=tuple(message.scopes),
        expire_time=time_of(message.expire_time),
    )


def service_account(message: service_account_pb2.ServiceAccount) -> ServiceAccount:
    """Returns a service account."""
    return ServiceAccount(
        name=last(message.name),
        uid=message.uid,
        description=message.description,
        disabled=message.disabled,
        create_time=time_of(message.create_time),
        update_time=time_of(message.update_time),
        etag=message.etag,
    )


def user(message: user_pb2.User) -> User:
    """Returns a user."""
    return User(
        name=last(message.name),
        uid=message.uid,
        issuer=message.issuer,
        email=message.email,
        groups=tuple(message.groups),
        disabled=message.disabled,
        create_time=time_of(message.create_time),
        update_time=time_of(message.update_time),
        etag=message.etag,
    )


def api_key(message: service_account_pb2.ApiKey) -> ApiKey:
    """Returns a key."""
    states = {number: name for name, number in service_account_pb2.ApiKey.State.items()}
    return ApiKey(
        name=last(message.name),
        account=message.name.split("/")[1],
        description=message.description,
        scopes=tuple(message.scopes),
        state=states.get(message.state, str(message.state)).removeprefix("STATE_"),  # a number: a newer KEA's
        create_time=time_of(message.create_time),
        expire_time=time_of(message.expire_time),
        revoke_time=time_of(message.revoke_time),
        token=message.token,
    )
