from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Sequence
from typing import Any

import grpc
import kea_deployer.domain.deployment
import pytest
from api_protos import files, reasons_told
from google.rpc import error_details_pb2
from kea_core import errors, status
from kea_deployer.domain.build import BUILD_BROKEN
from kea_deployer.domain.build_errors import BuildCancelled, BuildFailed
from kea_deployer.domain.errors import DeploymentFailed
from kea_gateway.envoy import local_replies
from kea_sdk import error_mapping
from workspace import PACKAGES, classes

KINDS = set(status.CODES)
"""What errors are derived from; never raised themselves."""
ERRORS = sorted(
    {one for one in classes(*PACKAGES) if issubclass(one, errors.KeaError)} - KINDS, key=lambda one: one.reason
)
BY_REASON = {error.reason: error for error in ERRORS}
REASON = re.compile(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*")
OF_DEPLOYMENTS = {
    value for name, value in vars(kea_deployer.domain.deployment).items() if name.endswith("_FAILED") and name.isupper()
}
"""Reasons of conditions, with which a deployment's operation may end."""
OF_IMAGES = {error.reason: error for error in classes("kea_oci") if issubclass(error, errors.KeaError)}
"""Errors of images and their registries, with which calls may end, and a build's operation."""
WITH_OTHERS_WORDS = (DeploymentFailed, BuildFailed)
"""Errors of operations, whose message is that of a condition or a build, whole."""


def sample(kind: Any, name: str) -> object:
    """Returns an argument of a type that can be found again in a text."""
    if kind is str:
        return f"«{name}»"
    if kind is int:
        return 70_000 + len(name)
    if kind is float:
        return 70_000.5 + len(name)
    if typing.get_origin(kind) is Sequence and typing.get_args(kind) == (str,):
        return [f"«{name} 1»", f"«{name} 2»"]
    if typing.get_origin(kind) is Sequence and typing.get_args(kind) == (errors.FieldViolation,):
        return [errors.FieldViolation(f"«{name}»", "«description»")]
    problem = f"no sample of {kind}"
    raise TypeError(problem)


def arguments_of(error: type[errors.KeaError]) -> dict[str, object]:
    hints = typing.get_type_hints(error.__init__)
    parameters = list(inspect.signature(error.__init__).parameters)[1:]
    return {name: sample(hints[name], name) for name in parameters}


def made(error: type[errors.KeaError]) -> errors.KeaError:
    return error(**typing.cast("Any", arguments_of(error)))


def interpolated(error: type[errors.KeaError]) -> set[str]:
    """Returns the changing parts of an error's message."""
    text = str(made(error))
    found = set(re.findall(r"«[^»]*»", text))
    for value in arguments_of(error).values():
        if isinstance(value, int | float) and str(value) in text:
            found.add(str(value))
    return found


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_of_a_kind_that_has_a_code(error: type[errors.KeaError]) -> None:
    assert status.code_of(made(error)) not in {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.OK}


@pytest.mark.parametrize("error", ERRORS)
def test_a_reason_is_well_formed_and_said_by_the_class_itself(error: type[errors.KeaError]) -> None:
    assert REASON.fullmatch(error.reason)
    assert len(error.reason) <= 63  # AIP-193
    assert "reason" in vars(error), f"{error.__qualname__} has no reason of its own"


def test_no_two_errors_have_the_same_reason() -> None:
    assert len(BY_REASON) == len(ERRORS)


def test_errors_are_found_in_every_service_that_has_a_domain() -> None:
    found = {error.__module__ for error in ERRORS}
    domains = ("kea_auth", "kea_deployer", "kea_registry", "kea_router")
    assert {"kea_core.errors", *(f"{package}.domain.errors" for package in domains)} <= found


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_is_told_with_its_reason_domain_and_metadata(error: type[errors.KeaError]) -> None:
    one = made(error)
    told, info = status.to_status(one), error_details_pb2.ErrorInfo()
    assert told.details[0].Unpack(info)
    assert (info.reason, info.domain, dict(info.metadata)) == (one.reason, status.DOMAIN, one.metadata)
    assert told.message == str(one)


@pytest.mark.parametrize("error", [error for error in ERRORS if error not in WITH_OTHERS_WORDS])
def test_what_changes_in_a_message_is_in_the_metadata_or_a_violation(error: type[errors.KeaError]) -> None:
    one = made(error)
    known = list(one.metadata.values())
    if isinstance(one, errors.InvalidArgument):
        known += [entry.description for entry in one.violations]
    for part in interpolated(error):
        assert any(part in value for value in known), f"{part} of {one}"


@pytest.mark.parametrize("error", ERRORS)
def test_metadata_have_names_that_programs_can_use(error: type[errors.KeaError]) -> None:
    for name, value in made(error).metadata.items():
        assert re.fullmatch(r"[a-z][a-z0-9_]{0,62}", name)
        assert isinstance(value, str)


@pytest.mark.parametrize("error", [error for error in ERRORS if issubclass(error, errors.InvalidArgument)])
def test_violations_name_fields_of_a_request(error: type[errors.KeaError]) -> None:
    one = made(error)
    assert isinstance(one, errors.InvalidArgument)
    for entry in one.violations:
        assert "«" in entry.field or re.fullmatch(r"[a-z_]+(\.[a-z_][a-z_0-9]*)*", entry.field)


def codes() -> set[str]:
    return {code.name for code in grpc.StatusCode}


def test_every_reason_that_a_proto_tells_is_raised_with_the_code_it_tells() -> None:
    told = reasons_told(files(), codes())
    assert len(told) > 40
    of_operations = {status.code_of(error("", "", "")).name for error in WITH_OTHERS_WORDS}
    for one in told:
        if one.reason in OF_DEPLOYMENTS | {BUILD_BROKEN}:
            assert {one.code} == of_operations, one
        elif one.reason in OF_IMAGES:
            own = next(status.CODES[kind] for kind in OF_IMAGES[one.reason].__mro__ if kind in KINDS)
            assert one.code in of_operations | {own.name}, one
        else:
            assert one.reason in BY_REASON, f"{one.method} tells of {one.reason}, which nothing raises"
            assert status.code_of(made(BY_REASON[one.reason])).name == one.code, one


OF_EVERY_METHOD = {
    "FIELD_OUT_OF_BOUNDS",
    "PERMISSION_MISSING",
    "SERVICE_UNAVAILABLE",
    "TOKEN_INVALID",
    "TOKEN_MISSING",
}
OF_OPERATIONS = {
    "OPERATION_CANCEL_UNSUPPORTED",
    "OPERATION_FILTER_UNSUPPORTED",
    "OPERATION_NOT_DONE",
    "OPERATION_NOT_FOUND",
    "OPERATION_PARENT_INVALID",
}
"""Their protos are Google's."""


def test_every_other_error_is_told_by_the_methods_that_end_with_it() -> None:
    told = {one.reason for one in reasons_told(files(), codes())}
    assert set(BY_REASON) - told == OF_EVERY_METHOD | OF_OPERATIONS | {error.reason for error in WITH_OTHERS_WORDS}


def test_the_gateways_own_refusals_are_told_as_the_services_tell_theirs() -> None:
    by_flags = [(status, entry) for _, status, entry in local_replies.BY_FLAGS]
    for http, (reason, title, code, _) in [*local_replies.REASONS.items(), *by_flags]:
        assert REASON.fullmatch(reason), http
        assert title
        assert code in {status.number_of(one) for one in grpc.StatusCode}, http
        if reason in BY_REASON:
            assert code == status.number_of(status.code_of(made(BY_REASON[reason]))), reason


def test_all_that_tell_of_errors_speak_of_one_domain() -> None:
    assert status.DOMAIN == error_mapping.DOMAIN == local_replies.DOMAIN
    assert status.DETAILS_KEY == error_mapping.DETAILS_KEY


def test_the_client_knows_every_code_that_a_service_answers_with() -> None:
    unknown = {status.code_of(made(error)) for error in ERRORS} - set(error_mapping.CODES)
    assert unknown == {grpc.StatusCode.DATA_LOSS, status.code_of(made(BuildCancelled))}  # the latter no call ends with


def test_every_reason_that_the_client_has_a_class_for_is_given() -> None:
    assert set(error_mapping.REASONS) <= set(BY_REASON) | OF_DEPLOYMENTS


def test_these_checks_see_what_is_wrong() -> None:
    told = reasons_told(files(), codes())
    delete = [one for one in told if one.method == "kea.registry.v1.ModelService.DeleteModel"]
    assert [(one.code, one.reason) for one in delete] == [
        ("NOT_FOUND", "MODEL_NOT_FOUND"),
        ("FAILED_PRECONDITION", "MODEL_HAS_VERSIONS"),
        ("FAILED_PRECONDITION", "MANAGED_BY_RESOURCE"),
        ("FAILED_PRECONDITION", "NOT_MANAGED"),
        ("ABORTED", "ETAG_MISMATCH"),
    ]


class Forgetful(errors.NotFound):
    reason = "FORGETFUL"

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is not there")


def test_a_part_of_a_message_that_is_not_in_the_metadata_is_seen() -> None:
    assert interpolated(Forgetful) == {"«name»"}
    assert made(Forgetful).metadata == {}
