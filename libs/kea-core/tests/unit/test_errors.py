from __future__ import annotations

import importlib
import inspect
import pkgutil
import re

import grpc
import pytest
from google.rpc import error_details_pb2
from kea_core import errors, status

PACKAGES = ("kea_core", "kea_auth", "kea_registry", "kea_deployer", "kea_router")


def every_error() -> dict[str, type[errors.KeaError]]:
    """Returns every error class of every service, by where it stands."""
    found: dict[str, type[errors.KeaError]] = {}
    for package in PACKAGES:
        root = importlib.import_module(package)
        for entry in pkgutil.walk_packages(root.__path__, f"{package}."):
            if entry.name.endswith(("__main__", ".env")) or ".migrations" in entry.name:
                continue
            for name, value in inspect.getmembers(importlib.import_module(entry.name), inspect.isclass):
                if issubclass(value, errors.KeaError) and value.__module__ == entry.name:
                    found[f"{entry.name}.{name}"] = value
    return found


KINDS = {kind for kind in status.CODES if kind is not errors.KeaError}


def test_every_error_has_a_code_and_a_reason_that_is_well_formed_and_its_own() -> None:
    reasons: dict[str, str] = {}
    for where, error in every_error().items():
        if error in KINDS - {errors.InvalidArgument} or error is errors.KeaError:
            continue
        assert next(kind for kind in error.__mro__ if kind in status.CODES) is not errors.KeaError, where
        assert re.fullmatch(r"[A-Z][A-Z0-9_]{2,62}", error.reason), where
        assert error.reason != errors.KeaError.reason, f"{where} has no reason of its own"
        same_service = f"{where.partition('.')[0]}:{error.reason}"
        assert same_service not in reasons, f"{where} and {reasons[same_service]} share {error.reason}"
        reasons[same_service] = where


def test_a_status_carries_what_its_kind_calls_for() -> None:
    made = status.to_status(errors.FieldOutOfBounds([errors.FieldViolation("a.b", "is 3; expected at most 2")]))
    assert made.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    assert made.details[0].Unpack(info)
    assert made.details[1].Unpack(bad)
    assert (info.reason, info.domain, dict(info.metadata)) == ("FIELD_OUT_OF_BOUNDS", "kea.dev", {"field": "a.b"})
    assert bad.field_violations[0].field == "a.b"


def test_unavailable_tells_when_to_retry() -> None:
    retry = error_details_pb2.RetryInfo()
    assert status.to_status(errors.ServiceUnavailable("auth")).details[1].Unpack(retry)
    assert retry.retry_delay.seconds == status.RETRY_SECONDS


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK])
def test_numbers_are_those_on_the_wire(code: grpc.StatusCode) -> None:
    assert 1 <= status.number_of(code) <= 16
