"""Roles, bindings and changes of the policy as messages, and back."""

from __future__ import annotations

import re
from typing import Any

from kea.auth.v1 import access_service_pb2, binding_pb2, role_pb2, role_service_pb2
from kea_core import policy
from kea_core.errors import FieldOutOfBounds, FieldViolation, UpdateMaskInvalid
from kea_core.principal import Principal
from kea_core.resource_name import parse_name
from kea_core.validation import name_expression, resource_pattern

from kea_auth.convert import moment, time_to_proto
from kea_auth.domain.access import Question
from kea_auth.domain.binding import Binding
from kea_auth.domain.ports import PolicyChange
from kea_auth.domain.revocation import revocation_name
from kea_auth.domain.role import CHANGEABLE, Role, role_name


def id_of(name: str, resource_type: str, field: str = "name") -> str:
    """Returns the id in a name such as `roles/viewer`.

    Raises:
        FieldOutOfBounds: it is not a name of that type; validation lets fields through that identify a message.
    """
    pattern = resource_pattern(resource_type)
    if not re.fullmatch(name_expression(pattern), name):
        raise FieldOutOfBounds([FieldViolation(field, f"is {name[:100]!r}; expected {pattern}")])
    return name.rpartition("/")[2]


def role_id(name: str, field: str = "name") -> str:
    """Returns the id of the role of a name."""
    return id_of(name, "kea.dev/Role", field)


def role_to_proto(role: Role) -> role_pb2.Role:
    """Returns a role as a message."""
    return role_pb2.Role(
        name=role.name,
        description=role.description,
        permissions=role.permissions,
        built_in=role.built_in,
        create_time=moment(role.create_time),
        update_time=moment(role.update_time),
        etag=role.etag,
    )


def role_changes(request: role_service_pb2.UpdateRoleRequest) -> dict[str, Any]:
    """Returns the fields that an update changes.

    Raises:
        UpdateMaskInvalid: the mask names a field that cannot be changed.
    """
    values: dict[str, Any] = {
        "description": request.role.description,
        "permissions": tuple(request.role.permissions),
    }
    return masked(values, list(request.update_mask.paths), CHANGEABLE)


def masked(values: dict[str, Any], paths: list[str], changeable: tuple[str, ...]) -> dict[str, Any]:
    """Returns the values that a mask names, those that are set where it is empty (AIP-134).

    Raises:
        UpdateMaskInvalid: it names one that cannot be changed.
    """
    for path in paths:
        if path not in changeable:
            raise UpdateMaskInvalid(path, changeable)
    return {name: value for name, value in values.items() if (name in paths if paths else value)}


def binding_parts(message: binding_pb2.Binding) -> tuple[str, str, str]:
    """Returns member, id of the role, and resource of a binding."""
    (role,) = parse_name(message.role, "roles")
    return message.member, role, message.resource


def binding_to_proto(binding: Binding) -> binding_pb2.Binding:
    """Returns a binding as a message."""
    return binding_pb2.Binding(
        name=binding.name,
        member=binding.member,
        role=role_name(binding.role),
        resource=binding.resource,
        create_time=time_to_proto(binding.create_time),
        creator=binding.creator,
    )


def decided_binding_to_proto(binding: policy.Binding) -> binding_pb2.Binding:
    """Returns what a decision knows of a binding as a message."""
    return binding_pb2.Binding(
        name=binding.name, member=binding.member, role=role_name(binding.role), resource=binding.resource
    )


def change_to_proto(change: PolicyChange) -> access_service_pb2.WatchPolicyResponse:
    """Returns a change of the policy as a message."""
    message = access_service_pb2.WatchPolicyResponse(revision=change.revision)
    if change.role is not None:
        message.role.CopyFrom(role_to_proto(change.role))
    if change.binding is not None:
        message.binding.CopyFrom(binding_to_proto(change.binding))
    if change.revoked is not None:
        message.revocation.name = revocation_name(change.revoked)
    if change.deleted is not None:
        message.deleted = change.deleted
    return message


def question(request: access_service_pb2.CheckAccessRequest) -> Question:
    """Returns what is asked."""
    return Question(request.permission, request.resource, request.subject, frozenset(request.groups))


def caller_to_proto(caller: Principal) -> access_service_pb2.Caller:
    """Returns who calls as a message."""
    message = access_service_pb2.Caller(
        subject=caller.subject, groups=sorted(caller.groups), scopes=list(caller.scopes)
    )
    message.expire_time.FromMicroseconds(round(caller.expires_at * 1_000_000))
    return message
