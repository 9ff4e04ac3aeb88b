"""Users as messages, and back."""

from __future__ import annotations

from typing import Any

from kea.auth.v1 import user_pb2, user_service_pb2

from kea_auth.convert import time_to_proto
from kea_auth.convert_policy import id_of, masked
from kea_auth.login.user import CHANGEABLE, User


def user_id(name: str, field: str = "name") -> str:
    """Returns the id of the user of a name."""
    return id_of(name, "kea.dev/User", field)


def user_to_proto(user: User) -> user_pb2.User:
    """Returns a user as a message, without anything of the password."""
    return user_pb2.User(
        name=user.name,
        uid=user.uid,
        issuer=user.issuer,
        subject=user.subject,
        email=user.email,
        groups=user.groups,
        disabled=user.disabled,
        create_time=time_to_proto(user.create_time),
        update_time=time_to_proto(user.update_time),
        etag=user.etag,
    )


def user_changes(request: user_service_pb2.UpdateUserRequest) -> dict[str, Any]:
    """Returns the fields that an update changes.

    Raises:
        UpdateMaskInvalid: the mask names a field that cannot be changed.
    """
    user = request.user
    values = {
        "disabled": user.disabled,
        "email": user.email,
        "groups": tuple(user.groups),
        "password": user.password,
    }
    return masked(values, list(request.update_mask.paths), CHANGEABLE)
