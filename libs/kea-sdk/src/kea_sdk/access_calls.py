"""What the client does about who may do what: bindings, roles, and questions."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence

from google.protobuf import field_mask_pb2
from kea.auth.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    binding_pb2,
    binding_service_pb2,
    binding_service_pb2_grpc,
    role_pb2,
    role_service_pb2,
    role_service_pb2_grpc,
)

from kea_sdk import access_convert, access_names
from kea_sdk.access_resources import AccessDecision, Binding, Caller, Role
from kea_sdk.access_words import question
from kea_sdk.errors import InvalidArgument
from kea_sdk.gateway import Gateway
from kea_sdk.paging import every

HERE = "project"
"""The client's project, where nothing else is said."""


class AccessCalls:
    """The part of the client that is about who may do what.

    Members are written as `user:ada`, `group:Teachers`, `account:ci`, `everyone` or by full names; resources as
    `platform`, `project`, `models/iris`, `iris` (an endpoint), `iris/get_grades` (a method of one) or by full names.

    Args:
        gateway: the connection.
    """

    project: str

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._access = gateway.stub(access_service_pb2_grpc.AccessServiceStub)
        self._bindings = gateway.stub(binding_service_pb2_grpc.BindingServiceStub)
        self._roles = gateway.stub(role_service_pb2_grpc.RoleServiceStub)

    def whoami(self) -> Caller:
        """Returns who calls, as the token says."""
        request = access_service_pb2.GetCallerRequest()
        return access_convert.caller(self._gateway.call(self._access.GetCaller, request, repeatable=True))

    def check_access(
        self, verb: str, on: str = HERE, *, subject: str | None = None, groups: Iterable[str] = ()
    ) -> AccessDecision:
        """Tells whether somebody may do something, and why.

        Args:
            verb: a permission such as `router.endpoints.invoke`, or a verb such as `call`, `get` or `push`.
            on: a resource, or all there are of a kind: `models`, `endpoints` and the like.
            subject: who, `user:ada` or `account:ci`. None: the caller, with the groups and scopes of its token.
            groups: names of groups that the subject is taken to be in.

        Raises:
            InvalidArgument: they mean nothing together.
            PermissionDenied: only some may ask about others.
        """
        asked = question(verb, on, self.project)
        given = list(groups)
        if given and subject is None:
            problem = "groups are taken from the token unless somebody is asked about; expected a subject with them"
            raise InvalidArgument(problem)
        request = access_service_pb2.CheckAccessRequest(
            permission=asked.permission,
            resource=asked.resource,
            subject=access_names.subject(subject) if subject is not None else "",
            groups=given,
        )
        answer = self._gateway.call(self._access.CheckAccess, request, repeatable=True)
        return access_convert.decision(answer, asked)

    def bind(self, member: str, role: str, on: str = HERE) -> Binding:
        """Gives a role to a member, on a resource and on all under it. It holds within two seconds.

        Raises:
            AlreadyExists: that is so already.
            NotFound: there is no such role, or no such service account.
            PermissionDenied: the caller may not bind there, or has not itself what the role gives.
        """
        request = binding_service_pb2.CreateBindingRequest(binding=self._binding(member, role, on))
        return access_convert.binding(self._gateway.call(self._bindings.CreateBinding, request))

    def unbind(self, member: str, role: str, on: str = HERE) -> Binding:
        """Takes back what `bind` gave, within two seconds also from tokens that are in use; returns what that was.

        Raises:
            NotFound: there is no such binding.
        """
        found = self._binding(member, role, on)
        request = binding_service_pb2.DeleteBindingRequest(binding=found)
        self._gateway.call(self._bindings.DeleteBinding, request)
        return access_convert.binding(found)

    def bindings(self, on: str = HERE, *, member: str | None = None) -> list[Binding]:
        """Returns the bindings on a resource and on all under it, those that KEA comes with left out.

        Args:
            on: the resource; `platform` for all there are.
            member: only those of this one.
        """
        request = binding_service_pb2.ListBindingsRequest(
            resource=access_names.bindable(on, self.project),
            member=access_names.member(member) if member is not None else "",
        )
        found = every(self._gateway, self._bindings.ListBindings, request, "bindings")
        return [access_convert.binding(entry) for entry in found]

    def roles(self) -> list[Role]:
        """Returns all roles by name, those that KEA comes with among them."""
        found = every(self._gateway, self._roles.ListRoles, role_service_pb2.ListRolesRequest(), "roles")
        return [access_convert.role(entry) for entry in found]

    def role(self, name: str) -> Role:
        """Returns a role."""
        request = role_service_pb2.GetRoleRequest(name=_role_name(name))
        return access_convert.role(self._gateway.call(self._roles.GetRole, request, repeatable=True))

    def create_role(self, name: str, permissions: Sequence[str], *, description: str = "") -> Role:
        """Makes a role.

        Args:
            name: its id.
            permissions: as `service.resource.verb`, where `*` stands for any one part; one or more.
            description: what it is for.

        Raises:
            AlreadyExists: there is one of that id.
            PermissionDenied: the caller may not itself do all of that.
        """
        request = role_service_pb2.CreateRoleRequest(
            role_id=access_names.role_id(name),
            role=role_pb2.Role(permissions=permissions, description=description),
            request_id=str(uuid.uuid4()),
        )
        return access_convert.role(self._gateway.call(self._roles.CreateRole, request, repeatable=True))

    def update_role(
        self, name: str, *, permissions: Sequence[str] | None = None, description: str | None = None, etag: str = ""
    ) -> Role:
        """Changes a role for all who have it; what is None is left as it is.

        Args:
            name: its id.
            permissions: all that it gives from now on.
            description: what it is for.
            etag: of the role as it was read. Empty: whatever it is by now.

        Raises:
            FailedPrecondition: KEA comes with it.
            Aborted: someone else changed it meanwhile.
            InvalidArgument: nothing is to be changed.
        """
        wanted, paths = role_pb2.Role(name=_role_name(name), etag=etag), list[str]()
        if permissions is not None:
            paths.append("permissions")
            wanted.permissions.extend(permissions)
        if description is not None:
            paths.append("description")
            wanted.description = description
        if not paths:
            problem = "nothing is to be changed; expected permissions or a description"
            raise InvalidArgument(problem)
        mask = field_mask_pb2.FieldMask(paths=paths)
        request = role_service_pb2.UpdateRoleRequest(role=wanted, update_mask=mask)
        return access_convert.role(self._gateway.call(self._roles.UpdateRole, request))

    def delete_role(self, name: str) -> None:
        """Deletes a role.

        Raises:
            FailedPrecondition: KEA comes with it, or somebody has it.
        """
        self._gateway.call(self._roles.DeleteRole, role_service_pb2.DeleteRoleRequest(name=_role_name(name)))

    def _binding(self, member: str, role: str, on: str) -> binding_pb2.Binding:
        return binding_pb2.Binding(
            member=access_names.member(member),
            role=_role_name(role),
            resource=access_names.bindable(on, self.project),
        )


def _role_name(text: str) -> str:
    return f"roles/{access_names.role_id(text)}"
