from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_sdk import InvalidArgument
from kea_sdk.reference import ID, Reference, belongs_to, checked_id, deployment_id

IDS = st.from_regex(ID, fullmatch=True)


@pytest.mark.parametrize(
    ("text", "model", "version"),
    [
        ("iris", "iris", "latest"),
        ("iris:3", "iris", "3"),
        ("a-1@champion", "a-1", "champion"),
        ("iris@latest", "iris", "latest"),
    ],
)
def test_a_reference_names_a_model_and_which_of_its_versions(text: str, model: str, version: str) -> None:
    assert Reference.parse(text) == Reference(model, version)


NO_REFERENCES = [
    *("", ":", "@", "Iris", "iris:", "iris@", "iris:0", "iris:01", "iris:-1", "iris:latest", "iris@3", "iris:3@a"),
    *("iris/3", "iris ", "-iris", "iris-", "i" * 64, "iris:" + "9" * 19, "iris\n"),
]


@pytest.mark.parametrize("text", NO_REFERENCES)
def test_what_is_no_reference_is_refused(text: str) -> None:
    with pytest.raises(InvalidArgument, match="names no model version; expected MODEL, MODEL:NUMBER or MODEL@ALIAS"):
        Reference.parse(text)


def test_a_reference_has_a_resource_name() -> None:
    assert Reference.parse("iris:3").name("lab") == "projects/lab/models/iris/versions/3"


def test_ids_are_checked() -> None:
    assert checked_id("a" * 63, "project") == "a" * 63
    with pytest.raises(InvalidArgument, match="'Lab' is no project; expected lower-case letters"):
        checked_id("Lab", "project")


def test_a_deployment_is_called_after_endpoint_and_version() -> None:
    assert [deployment_id("iris", 3), deployment_id("iris", 3, 2)] == ["iris-v3", "iris-v3-2"]


@given(endpoint=IDS, version=st.integers(1, 10**18), attempt=st.integers(1, 1000))
def test_every_deployment_has_an_id_and_belongs_to_its_endpoint(endpoint: str, version: int, attempt: int) -> None:
    made = deployment_id(endpoint, version, attempt)
    assert ID.fullmatch(made)
    assert belongs_to(made, endpoint)


@given(one=IDS, other=IDS, version=st.integers(1, 1000))
def test_deployments_of_two_endpoints_differ(one: str, other: str, version: int) -> None:
    assert (deployment_id(one, version) == deployment_id(other, version)) == (one == other)


def test_other_deployments_belong_to_no_endpoint() -> None:
    assert not belongs_to("iris", "iris")
    assert not belongs_to("iris-v3", "ir")
    assert not belongs_to("iris-v03", "iris")
