from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea_router.domain.endpoint import Target
from kea_router.domain.errors import TargetDuplicate, TargetProjectMismatch, TimeoutInvalid, WeightsInvalid
from kea_router.translate.shares import shares


@given(weights=st.dictionaries(st.from_regex("[a-z]{1,3}", fullmatch=True), st.integers(1, 9), min_size=1, max_size=16))
def test_any_split_of_the_whole_is_good(helpers: Any, weights: dict[str, int]) -> None:
    helpers.make_endpoint(**shares(weights)).check()


@pytest.mark.parametrize("weights", [{"v1": 9_999}, {"v1": 10_000, "v2": 1}, {"v1": 0}])
def test_weights_that_are_not_the_whole_are_refused(helpers: Any, weights: dict[str, int]) -> None:
    with pytest.raises(WeightsInvalid) as caught:
        helpers.make_endpoint(**weights).check()
    assert caught.value.metadata == {"total": str(sum(weights.values()))}
    assert [violation.field for violation in caught.value.violations] == ["endpoint.targets"]


def test_no_targets_are_refused(helpers: Any) -> None:
    with pytest.raises(WeightsInvalid):
        replace(helpers.make_endpoint(), targets=()).check()


def test_a_deployment_that_appears_twice_is_refused(helpers: Any) -> None:
    twice = (Target(helpers.deployment_name("v1"), 5_000),) * 2
    with pytest.raises(TargetDuplicate, match="v1 appears twice"):
        replace(helpers.make_endpoint(), targets=twice).check()


def test_a_deployment_of_another_project_is_refused(helpers: Any) -> None:
    foreign = (Target("projects/other/deployments/v1", 10_000),)
    with pytest.raises(TargetProjectMismatch, match="projects/default"):
        replace(helpers.make_endpoint(), targets=foreign).check()


@pytest.mark.parametrize("seconds", [-1.0, 1e-9, 0.000_999, 3600.001, float("inf"), float("nan")])
def test_a_timeout_out_of_range_is_refused(helpers: Any, seconds: float) -> None:
    with pytest.raises(TimeoutInvalid):
        replace(helpers.make_endpoint(), timeout_seconds=seconds).check()


@pytest.mark.parametrize(("seconds", "effective"), [(0.0, 60.0), (0.001, 0.001), (3600.0, 3600.0)])
def test_a_timeout_in_range_holds_and_none_is_a_minute(helpers: Any, seconds: float, effective: float) -> None:
    endpoint = replace(helpers.make_endpoint(), timeout_seconds=seconds)
    endpoint.check()
    assert endpoint.effective_timeout_seconds == effective


def test_the_etag_is_the_revision_as_http_quotes_it(helpers: Any) -> None:
    assert helpers.make_endpoint(revision=7).etag == '"7"'
