"""UserService."""

from __future__ import annotations

import uuid

from google.protobuf import empty_pb2
from kea.auth.v1 import user_pb2, user_service_pb2, user_service_pb2_grpc
from kea_core.clock import Clock
from kea_core.idempotency import digest_of
from kea_core.interceptors import Context
from kea_core.pages import page_token, read_page
from kea_core.principal import current_principal

from kea_auth import convert_users as convert
from kea_auth.domain.ports import Once
from kea_auth.login.user import local_user
from kea_auth.login.users import Users

LISTING = "users"


class UserServicer(user_service_pb2_grpc.UserServiceServicer):
    """Messages to use cases and back, nothing else."""

    def __init__(self, users: Users, *, clock: Clock) -> None:
        self._users = users
        self._clock = clock

    async def CreateUser(self, request: user_service_pb2.CreateUserRequest, context: Context) -> user_pb2.User:
        """Makes a user."""
        del context
        wanted, uid = request.user, str(uuid.uuid4())
        user = local_user(
            request.user_id,
            uid,
            self._clock(),
            email=wanted.email,
            groups=wanted.groups,
            disabled=wanted.disabled,
        )
        known = user_service_pb2.CreateUserRequest()
        known.CopyFrom(request)
        known.user.ClearField("password")  # a digest of it could be guessed from
        once = Once(request.request_id, digest_of("CreateUser", known))
        made = await self._users.create(user, wanted.password, current_principal(), once, dry=request.validate_only)
        return convert.user_to_proto(made)

    async def GetUser(self, request: user_service_pb2.GetUserRequest, context: Context) -> user_pb2.User:
        """Returns one user."""
        del context
        return convert.user_to_proto(await self._users.get(convert.user_id(request.name)))

    async def ListUsers(
        self, request: user_service_pb2.ListUsersRequest, context: Context
    ) -> user_service_pb2.ListUsersResponse:
        """Lists users."""
        del context
        users, more = await self._users.page(read_page(LISTING, request.page_size, request.page_token))
        return user_service_pb2.ListUsersResponse(
            users=[convert.user_to_proto(user) for user in users],
            next_page_token=page_token(LISTING, more) if more else "",
        )

    async def UpdateUser(self, request: user_service_pb2.UpdateUserRequest, context: Context) -> user_pb2.User:
        """Changes a user."""
        del context
        user = convert.user_id(request.user.name, "user.name")
        changes, etag = convert.user_changes(request), request.user.etag
        changed = await self._users.update(user, changes, etag, current_principal(), dry=request.validate_only)
        return convert.user_to_proto(changed)

    async def DeleteUser(self, request: user_service_pb2.DeleteUserRequest, context: Context) -> empty_pb2.Empty:
        """Deletes a user with sessions and bindings."""
        del context
        user = convert.user_id(request.name)
        await self._users.delete(user, request.etag, current_principal(), dry=request.validate_only)
        return empty_pb2.Empty()
