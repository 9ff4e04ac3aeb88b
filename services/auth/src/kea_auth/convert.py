"""Times, signing keys and tokens as messages, and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from google.protobuf import duration_pb2, timestamp_pb2
from kea.auth.v1 import signing_key_pb2, token_pb2
from kea_core.errors import FieldOutOfBounds, FieldViolation

from kea_auth.domain.key_ring import KeyView, State
from kea_auth.domain.tokens import Token

STATES = {
    State.PENDING: signing_key_pb2.SigningKey.STATE_PENDING,
    State.ACTIVE: signing_key_pb2.SigningKey.STATE_ACTIVE,
    State.RETIRED: signing_key_pb2.SigningKey.STATE_RETIRED,
}


def time_to_proto(time: datetime) -> timestamp_pb2.Timestamp:
    """Returns a moment as a message."""
    message = timestamp_pb2.Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def moment(time: datetime | None) -> timestamp_pb2.Timestamp | None:
    """Returns a moment as a message, where there is one."""
    return None if time is None else time_to_proto(time)


def ttl_from_proto(message: duration_pb2.Duration) -> timedelta:
    """Returns a time to live.

    Raises:
        FieldOutOfBounds: it is longer than any time to live could be.
    """
    try:
        return timedelta(seconds=message.seconds, microseconds=message.nanos / 1000)
    except OverflowError as error:
        raise FieldOutOfBounds([FieldViolation("ttl", "is too long; expected 60 s to 86400 s")]) from error


def key_to_proto(view: KeyView) -> signing_key_pb2.SigningKey:
    """Returns a key, its public half only."""
    return signing_key_pb2.SigningKey(
        name=f"signingKeys/{view.key.kid}",
        state=STATES[view.state],
        public_jwk=json.dumps(view.key.public_jwk()),
        create_time=time_to_proto(view.key.create_time),
        activate_time=time_to_proto(view.key.activate_time),
        expire_time=moment(view.expire_time),
    )


def token_to_proto(token: Token) -> token_pb2.Token:
    """Returns a token, for its owner."""
    return token_pb2.Token(
        uid=token.uid,
        subject=token.subject,
        scopes=token.scopes,
        access_token=token.access_token,
        create_time=time_to_proto(token.create_time),
        expire_time=time_to_proto(token.expire_time),
    )
