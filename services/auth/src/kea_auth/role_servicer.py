"""RoleService."""

from __future__ import annotations

from google.protobuf import empty_pb2
from kea.auth.v1 import role_pb2, role_service_pb2, role_service_pb2_grpc
from kea_core.clock import Clock
from kea_core.idempotency import digest_of
from kea_core.interceptors import Context
from kea_core.pages import page_token, read_page
from kea_core.principal import current_principal

from kea_auth import convert_policy as convert
from kea_auth.domain.ports import Once
from kea_auth.domain.role import new_role
from kea_auth.domain.roles import Roles

LISTING = "roles"


class RoleServicer(role_service_pb2_grpc.RoleServiceServicer):
    """Messages to use cases and back, nothing else."""

    def __init__(self, roles: Roles, *, clock: Clock) -> None:
        self._roles = roles
        self._clock = clock

    async def CreateRole(self, request: role_service_pb2.CreateRoleRequest, context: Context) -> role_pb2.Role:
        """Makes a role."""
        del context
        wanted = request.role
        role = new_role(request.role_id, self._clock(), wanted.permissions, wanted.description)
        once = Once(request.request_id, digest_of("CreateRole", request))
        made = await self._roles.create(role, current_principal(), once, dry=request.validate_only)
        return convert.role_to_proto(made)

    async def GetRole(self, request: role_service_pb2.GetRoleRequest, context: Context) -> role_pb2.Role:
        """Returns one role."""
        del context
        return convert.role_to_proto(await self._roles.get(convert.role_id(request.name)))

    async def ListRoles(
        self, request: role_service_pb2.ListRolesRequest, context: Context
    ) -> role_service_pb2.ListRolesResponse:
        """Lists roles."""
        del context
        roles, more = await self._roles.page(read_page(LISTING, request.page_size, request.page_token))
        return role_service_pb2.ListRolesResponse(
            roles=[convert.role_to_proto(role) for role in roles],
            next_page_token=page_token(LISTING, more) if more else "",
        )

    async def UpdateRole(self, request: role_service_pb2.UpdateRoleRequest, context: Context) -> role_pb2.Role:
        """Changes a role."""
        del context
        role_id = convert.role_id(request.role.name, "role.name")
        changes = convert.role_changes(request)
        role = await self._roles.update(
            role_id, changes, request.role.etag, current_principal(), dry=request.validate_only
        )
        return convert.role_to_proto(role)

    async def DeleteRole(self, request: role_service_pb2.DeleteRoleRequest, context: Context) -> empty_pb2.Empty:
        """Deletes a role."""
        del context
        await self._roles.delete(convert.role_id(request.name), request.etag, dry=request.validate_only)
        return empty_pb2.Empty()
