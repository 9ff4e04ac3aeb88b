"""Service accounts and API keys as messages, and back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from google.protobuf import timestamp_pb2
from kea.auth.v1 import service_account_pb2, service_account_service_pb2
from kea_core.errors import FieldOutOfBounds, FieldViolation
from kea_core.resource_name import parse_name

from kea_auth.convert import moment, time_to_proto
from kea_auth.convert_policy import id_of, masked
from kea_auth.domain.api_key import ApiKey, KeyState, WantedKey
from kea_auth.domain.service_account import CHANGEABLE, ServiceAccount

STATES = {
    KeyState.ACTIVE: service_account_pb2.ApiKey.STATE_ACTIVE,
    KeyState.REVOKED: service_account_pb2.ApiKey.STATE_REVOKED,
    KeyState.EXPIRED: service_account_pb2.ApiKey.STATE_EXPIRED,
}


def account_id(name: str, field: str = "name") -> str:
    """Returns the id of the service account of a name."""
    return id_of(name, "kea.dev/ServiceAccount", field)


def key_place(name: str) -> tuple[str, str]:
    """Returns the ids of the account and the key that a name stands for."""
    account, key = parse_name(name, "serviceAccounts", "apiKeys")
    return account, key


def account_to_proto(account: ServiceAccount) -> service_account_pb2.ServiceAccount:
    """Returns a service account as a message."""
    return service_account_pb2.ServiceAccount(
        name=account.name,
        uid=account.uid,
        description=account.description,
        disabled=account.disabled,
        create_time=time_to_proto(account.create_time),
        update_time=time_to_proto(account.update_time),
        etag=account.etag,
    )


def account_changes(request: service_account_service_pb2.UpdateServiceAccountRequest) -> dict[str, Any]:
    """Returns the fields that an update changes.

    Raises:
        UpdateMaskInvalid: the mask names a field that cannot be changed.
    """
    account = request.service_account
    values = {"description": account.description, "disabled": account.disabled}
    return masked(values, list(request.update_mask.paths), CHANGEABLE)


def wanted_key(message: service_account_pb2.ApiKey) -> WantedKey:
    """Returns the API key that is asked for.

    Raises:
        FieldOutOfBounds: it would expire at no time that there is.
    """
    expires = _time(message.expire_time, "api_key.expire_time") if message.HasField("expire_time") else None
    return WantedKey(message.description, tuple(message.scopes), expires)


def api_key_to_proto(key: ApiKey, now: datetime, token: str = "") -> service_account_pb2.ApiKey:
    """Returns an API key as a message, with the key itself where that is given."""
    return service_account_pb2.ApiKey(
        name=key.name,
        description=key.description,
        scopes=key.scopes,
        state=STATES[key.state(now)],
        create_time=time_to_proto(key.create_time),
        expire_time=time_to_proto(key.expire_time),
        revoke_time=moment(key.revoke_time),
        token=token,
    )


def _time(message: timestamp_pb2.Timestamp, field: str) -> datetime:
    try:
        return message.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise FieldOutOfBounds([FieldViolation(field, "is no time; expected one of the years 1 to 9999")]) from error
