"""What the client does with people: those who have a password at KEA, and those an identity provider knows."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

from google.protobuf import field_mask_pb2
from kea.auth.v1 import user_pb2, user_service_pb2, user_service_pb2_grpc

from kea_sdk import access_convert
from kea_sdk.access_names import user_id
from kea_sdk.access_resources import User
from kea_sdk.errors import InvalidArgument
from kea_sdk.gateway import Gateway
from kea_sdk.paging import every


class UserCalls:
    """The part of the client that is about people.

    Args:
        gateway: the connection.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._users = gateway.stub(user_service_pb2_grpc.UserServiceStub)

    def users(self) -> list[User]:
        """Returns all users by name; those of an identity provider once they have logged in."""
        found = every(self._gateway, self._users.ListUsers, user_service_pb2.ListUsersRequest(), "users")
        return [access_convert.user(entry) for entry in found]

    def user(self, name: str) -> User:
        """Returns a user."""
        request = user_service_pb2.GetUserRequest(name=_user_name(name))
        return access_convert.user(self._gateway.call(self._users.GetUser, request, repeatable=True))

    def create_user(self, name: str, *, password: str = "", email: str = "", groups: Sequence[str] = ()) -> User:
        """Makes a user who logs in with a password.

        Args:
            name: the id.
            password: 12 to 256 characters. Empty: nobody can log in as the user yet.
            email: for people to read.
            groups: what the user is in, without `groups/`.

        Raises:
            AlreadyExists: there is one of that id.
            PermissionDenied: groups are given that may do what the caller may not.
        """
        request = user_service_pb2.CreateUserRequest(
            user_id=user_id(name),
            user=user_pb2.User(password=password, email=email, groups=groups),
            request_id=str(uuid.uuid4()),
        )
        return access_convert.user(self._gateway.call(self._users.CreateUser, request, repeatable=True))

    def update_user(
        self,
        name: str,
        *,
        password: str | None = None,
        groups: Sequence[str] | None = None,
        disabled: bool | None = None,
    ) -> User:
        """Changes a user; what is None is left as it is.

        Args:
            name: the id.
            password: the new one, 12 to 256 characters; sessions of the user end.
            groups: what the user is in from now on, without `groups/`.
            disabled: whether the user cannot log in, and all tokens are refused within two seconds.

        Raises:
            InvalidArgument: nothing is to be changed.
            FailedPrecondition: an identity provider says what is to be changed.
            PermissionDenied: the user may, or then could, do what the caller may not.
        """
        wanted, paths = user_pb2.User(name=_user_name(name)), list[str]()
        if password is not None:
            paths.append("password")
            wanted.password = password
        if groups is not None:
            paths.append("groups")
            wanted.groups.extend(groups)
        if disabled is not None:
            paths.append("disabled")
            wanted.disabled = disabled
        if not paths:
            problem = "nothing is to be changed; expected a password, groups, or whether the user is disabled"
            raise InvalidArgument(problem)
        mask = field_mask_pb2.FieldMask(paths=paths)
        request = user_service_pb2.UpdateUserRequest(user=wanted, update_mask=mask)
        return access_convert.user(self._gateway.call(self._users.UpdateUser, request))

    def delete_user(self, name: str) -> None:
        """Deletes a user, with sessions and what was bound to the user."""
        self._gateway.call(self._users.DeleteUser, user_service_pb2.DeleteUserRequest(name=_user_name(name)))


def _user_name(text: str) -> str:
    return f"users/{user_id(text)}"
