"""Auth behind the fake gateway: roles, bindings, accounts, keys, and a policy that knows exact matches only."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import grpc
from fake_services import World, abort
from google.protobuf import empty_pb2
from kea.auth.v1 import (
    access_service_pb2,
    access_service_pb2_grpc,
    binding_pb2,
    binding_service_pb2,
    binding_service_pb2_grpc,
    role_pb2,
    role_service_pb2,
    role_service_pb2_grpc,
    service_account_pb2,
    service_account_service_pb2,
    service_account_service_pb2_grpc,
    token_pb2,
    token_service_pb2_grpc,
)

ApiKey = service_account_pb2.ApiKey


@dataclass
class AccessWorld:
    """Everything there is."""

    roles: dict[str, role_pb2.Role] = field(default_factory=dict[str, Any])
    bindings: dict[tuple[str, str, str], binding_pb2.Binding] = field(default_factory=dict[Any, Any])
    accounts: dict[str, service_account_pb2.ServiceAccount] = field(default_factory=dict[str, Any])
    keys: dict[str, service_account_pb2.ApiKey] = field(default_factory=dict[str, Any])
    checked: list[access_service_pb2.CheckAccessRequest] = field(default_factory=list[Any])
    """What was asked."""
    revoked: list[str] = field(default_factory=list[str])
    """Ids of tokens; `own` for the caller's."""

    def __post_init__(self) -> None:
        for role, permissions in {"consumer": ["router.endpoints.invoke"], "viewer": ["*.*.get"]}.items():
            self.roles[f"roles/{role}"] = role_pb2.Role(name=f"roles/{role}", permissions=permissions, built_in=True)


def page(request: Any, found: dict[Any, Any]) -> tuple[list[Any], str]:
    """Returns a page of one, and the token of the next: the client must turn pages."""
    entries = [found[key] for key in sorted(found)]
    index = int(request.page_token or 0)
    return entries[index : index + 1], str(index + 1) if index + 1 < len(entries) else ""


class Access(access_service_pb2_grpc.AccessServiceServicer):
    def __init__(self, world: World, access: AccessWorld) -> None:
        self.world, self.access = world, access

    async def GetCaller(self, request: Any, context: Any) -> Any:
        return access_service_pb2.Caller(
            subject="users/ada", groups=["Teachers", "All staff"], scopes=["viewer"], expire_time=self.world.now()
        )

    async def CheckAccess(self, request: Any, context: Any) -> Any:
        self.access.checked.append(request)
        subject = request.subject or "users/ada"
        for binding in self.access.bindings.values():
            role = self.access.roles[binding.role]
            if (binding.member, binding.resource) == (subject, request.resource) and request.permission in (
                role.permissions
            ):
                return access_service_pb2.CheckAccessResponse(allowed=True, binding=binding, explanation="by a binding")
        return access_service_pb2.CheckAccessResponse(explanation=f"nothing gives {subject} that")


class Bindings(binding_service_pb2_grpc.BindingServiceServicer):
    def __init__(self, world: World, access: AccessWorld) -> None:
        self.world, self.access = world, access

    async def CreateBinding(self, request: Any, context: Any) -> Any:
        made = request.binding
        key = (made.member, made.role, made.resource)
        if made.role not in self.access.roles:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such role", "ROLE_NOT_FOUND")
        if key in self.access.bindings:
            await abort(context, grpc.StatusCode.ALREADY_EXISTS, "that is so already", "BINDING_EXISTS")
        made.name, made.creator = f"bindings/b{len(self.access.bindings)}", "users/admin"
        made.create_time.CopyFrom(self.world.now())
        self.access.bindings[key] = made
        return made

    async def ListBindings(self, request: Any, context: Any) -> Any:
        found = {
            key: entry
            for key, entry in self.access.bindings.items()
            if entry.resource.startswith(request.resource) and request.member in {"", entry.member}
        }
        bindings, token = page(request, found)
        return binding_service_pb2.ListBindingsResponse(bindings=bindings, next_page_token=token)

    async def DeleteBinding(self, request: Any, context: Any) -> Any:
        key = (request.binding.member, request.binding.role, request.binding.resource)
        if self.access.bindings.pop(key, None) is None:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such binding", "BINDING_NOT_FOUND")
        return empty_pb2.Empty()


class Roles(role_service_pb2_grpc.RoleServiceServicer):
    def __init__(self, world: World, access: AccessWorld) -> None:
        self.world, self.access = world, access

    async def CreateRole(self, request: Any, context: Any) -> Any:
        self.world.request_ids.append(request.request_id)
        made = request.role
        made.name, made.etag = f"roles/{request.role_id}", "1"
        made.create_time.CopyFrom(self.world.now())
        made.update_time.CopyFrom(made.create_time)
        self.access.roles[made.name] = made
        return made

    async def GetRole(self, request: Any, context: Any) -> Any:
        return await self._found(request.name, context)

    async def ListRoles(self, request: Any, context: Any) -> Any:
        roles, token = page(request, self.access.roles)
        return role_service_pb2.ListRolesResponse(roles=roles, next_page_token=token)

    async def UpdateRole(self, request: Any, context: Any) -> Any:
        found = await self._found(request.role.name, context)
        if found.built_in:
            await abort(context, grpc.StatusCode.FAILED_PRECONDITION, "KEA comes with it", "ROLE_BUILT_IN")
        if request.role.etag not in {"", found.etag}:
            await abort(context, grpc.StatusCode.ABORTED, "it has changed", "ETAG_MISMATCH")
        request.update_mask.MergeMessage(request.role, found, True, True)
        found.etag = str(int(found.etag) + 1)
        return found

    async def DeleteRole(self, request: Any, context: Any) -> Any:
        await self._found(request.name, context)
        del self.access.roles[request.name]
        return empty_pb2.Empty()

    async def _found(self, name: str, context: Any) -> Any:
        if name not in self.access.roles:
            await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such role", "ROLE_NOT_FOUND")
        return self.access.roles[name]


class Accounts(service_account_service_pb2_grpc.ServiceAccountServiceServicer):
    def __init__(self, world: World, access: AccessWorld) -> None:
        self.world, self.access = world, access

    async def CreateServiceAccount(self, request: Any, context: Any) -> Any:
        self.world.request_ids.append(request.request_id)
        made = request.service_account
        made.name, made.uid = f"serviceAccounts/{request.service_account_id}", "u1"
        made.create_time.CopyFrom(self.world.now())
        self.access.accounts[made.name] = made
        return made

    async def GetServiceAccount(self, request: Any, context: Any) -> Any:
        return await self._found(request.name, context)

    async def ListServiceAccounts(self, request: Any, context: Any) -> Any:
        accounts, token = page(request, self.access.accounts)
        return service_account_service_pb2.ListServiceAccountsResponse(service_accounts=accounts, next_page_token=token)

    async def UpdateServiceAccount(self, request: Any, context: Any) -> Any:
        found = await self._found(request.service_account.name, context)
        request.update_mask.MergeMessage(request.service_account, found, True, True)
        return found

    async def DeleteServiceAccount(self, request: Any, context: Any) -> Any:
        await self._found(request.name, context)
        del self.access.accounts[request.name]
        return empty_pb2.Empty()

    async def CreateApiKey(self, request: Any, context: Any) -> Any:
        await self._found(request.parent, context)
        self.world.request_ids.append(request.request_id)
        made = ApiKey(state=ApiKey.STATE_ACTIVE, create_time=self.world.now())
        made.MergeFrom(request.api_key)
        made.name = f"{request.parent}/apiKeys/key-{len(self.access.keys):05}"
        self.access.keys[made.name] = made
        shown = ApiKey(token="eyJ.secret.key")
        shown.MergeFrom(made)
        return shown

    async def ListApiKeys(self, request: Any, context: Any) -> Any:
        await self._found(request.parent, context)
        found = [key for name, key in self.access.keys.items() if name.startswith(f"{request.parent}/")]
        return service_account_service_pb2.ListApiKeysResponse(api_keys=reversed(found))

    async def RevokeApiKey(self, request: Any, context: Any) -> Any:
        found = self.access.keys.get(request.name)
        if found is None:
            return await abort(context, grpc.StatusCode.NOT_FOUND, "there is no such key", "API_KEY_NOT_FOUND")
        found.state = ApiKey.STATE_REVOKED
        found.revoke_time.CopyFrom(self.world.now())
        return found

    async def _found(self, name: str, context: Any) -> Any:
        if name not in self.access.accounts:
            await abort(
                context, grpc.StatusCode.NOT_FOUND, "there is no such service account", "SERVICE_ACCOUNT_NOT_FOUND"
            )
        return self.access.accounts[name]


class Tokens(token_service_pb2_grpc.TokenServiceServicer):
    def __init__(self, access: AccessWorld) -> None:
        self.access = access

    async def CreateToken(self, request: Any, context: Any) -> Any:
        text = f"{request.ttl.seconds}:{','.join(request.scopes)}"
        return token_pb2.Token(uid="0f8fad5b-d9cb", access_token=text, subject="users/admin", scopes=request.scopes)

    async def RevokeOwnToken(self, request: Any, context: Any) -> Any:
        self.access.revoked.append("own")
        return empty_pb2.Empty()

    async def RevokeToken(self, request: Any, context: Any) -> Any:
        self.access.revoked.append(request.uid)
        return empty_pb2.Empty()


def add_to(server: grpc.aio.Server, world: World, access: AccessWorld) -> None:
    """Adds auth's services."""
    access_service_pb2_grpc.add_AccessServiceServicer_to_server(Access(world, access), server)
    binding_service_pb2_grpc.add_BindingServiceServicer_to_server(Bindings(world, access), server)
    role_service_pb2_grpc.add_RoleServiceServicer_to_server(Roles(world, access), server)
    service_account_service_pb2_grpc.add_ServiceAccountServiceServicer_to_server(Accounts(world, access), server)
    token_service_pb2_grpc.add_TokenServiceServicer_to_server(Tokens(access), server)
