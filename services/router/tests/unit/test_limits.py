from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from envoy.extensions.filters.http.local_ratelimit.v3 import local_rate_limit_pb2
from google.protobuf import duration_pb2, json_format
from hypothesis import given
from hypothesis import strategies as st
from kea.router.v1 import limits_pb2
from kea_router.domain.errors import LimitInvalid
from kea_router.domain.limits import (
    MAX_CONCURRENT,
    MAX_PERIOD_SECONDS,
    MAX_REQUESTS,
    Limits,
    ProjectLimits,
    RateLimit,
    least_burst,
)
from kea_router.limits_convert import (
    limits_from_proto,
    limits_to_proto,
    project_limits_to_proto,
    rate_from_proto,
    rate_to_proto,
)
from kea_router.store.limits_rows import limits_of, limits_value
from kea_router.translate.in_progress import MODULE
from kea_router.translate.limits import project_limits_filter
from kea_router.translate.names import SUBJECT_HEADER
from xds.type.v3 import typed_struct_pb2

RATES = st.builds(
    RateLimit, st.integers(1, MAX_REQUESTS), st.integers(0, MAX_PERIOD_SECONDS), st.integers(0, MAX_REQUESTS)
)
AT_ONCE = st.integers(0, MAX_CONCURRENT)
LIMITS = st.builds(Limits, st.none() | RATES, st.none() | RATES, AT_ONCE, AT_ONCE)


@given(LIMITS)
def test_limits_within_bounds_survive_message_and_row(limits: Limits) -> None:
    limits.check("limits")
    message = limits_to_proto(limits) or limits_pb2.Limits()
    assert limits_from_proto(message, "limits") == limits
    assert limits_of(json.loads(json.dumps(limits_value(limits)))) == limits


def test_rows_from_before_consumers_had_a_number_in_progress_are_read() -> None:
    assert limits_of({"total": None, "per_consumer": None, "max_concurrent_requests": 4}) == Limits(None, None, 4)


@given(RATES)
def test_a_rate_survives_its_message(rate: RateLimit) -> None:
    assert rate_from_proto(rate_to_proto(rate), "total") == rate


def test_no_limits_are_nothing() -> None:
    assert (bool(Limits()), limits_value(Limits()), limits_to_proto(Limits())) == (False, {}, None)
    assert Limits(total=RateLimit(1))
    assert Limits(per_consumer=RateLimit(1))
    assert Limits(max_concurrent_requests=1)
    assert Limits(max_concurrent_requests_per_consumer=1)


def test_a_rate_is_per_second_and_its_burst_what_comes_in_a_period_unless_said_otherwise() -> None:
    assert (RateLimit(5).effective_period_seconds, RateLimit(5).effective_burst) == (1, 5)
    assert (RateLimit(5, 60, 2).effective_period_seconds, RateLimit(5, 60, 2).effective_burst) == (60, 2)


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (Limits(total=RateLimit(0)), "total.requests"),
        (Limits(total=RateLimit(MAX_REQUESTS + 1)), "total.requests"),
        (Limits(total=RateLimit(1, MAX_PERIOD_SECONDS + 1)), "total.period"),
        (Limits(per_consumer=RateLimit(1, -1)), "per_consumer.period"),
        (Limits(per_consumer=RateLimit(1, 1, -1)), "per_consumer.burst"),
        (Limits(per_consumer=RateLimit(1, 1, MAX_REQUESTS + 1)), "per_consumer.burst"),
        (Limits(max_concurrent_requests=-1), "max_concurrent_requests"),
        (Limits(max_concurrent_requests=MAX_CONCURRENT + 1), "max_concurrent_requests"),
        (Limits(max_concurrent_requests_per_consumer=-1), "max_concurrent_requests_per_consumer"),
    ],
)
def test_a_limit_out_of_bounds_is_refused_by_its_field(helpers: Any, limits: Limits, field: str) -> None:
    with pytest.raises(LimitInvalid) as caught:
        replace(helpers.make_endpoint(), limits=limits).check()
    assert caught.value.metadata["field"] == f"endpoint.limits.{field}"


@pytest.mark.parametrize(
    ("limits", "field"),
    [
        (ProjectLimits("p", RateLimit(0)), "total.requests"),
        (ProjectLimits("p", None, MAX_CONCURRENT + 1), "max_concurrent_requests"),
    ],
)
def test_a_projects_limit_out_of_bounds_is_refused_by_its_field(limits: ProjectLimits, field: str) -> None:
    with pytest.raises(LimitInvalid) as caught:
        limits.check("project_limits")
    assert caught.value.metadata["field"] == f"project_limits.{field}"


@pytest.mark.parametrize("nanos", [-1_000_000_000, 0, 1, 500_000_000, 1_500_000_000])
def test_a_period_that_is_not_of_whole_seconds_is_refused(nanos: int) -> None:
    period = duration_pb2.Duration()
    period.FromNanoseconds(nanos)
    with pytest.raises(LimitInvalid, match="whole seconds"):
        rate_from_proto(limits_pb2.RateLimit(requests=1, period=period), "total")


def test_limits_that_were_never_set_have_no_time_and_an_etag() -> None:
    message = project_limits_to_proto(ProjectLimits("p"))
    assert (message.name, message.etag, message.HasField("total")) == ("projects/p/limits", '"0"', False)
    assert not message.HasField("update_time")


def test_what_envoy_is_told_is_a_filter_of_its_own_but_for_what_the_protos_do_not_know_yet() -> None:
    resource = project_limits_filter([ProjectLimits("a", RateLimit(5)), ProjectLimits("b")])
    extension = json_format.MessageToDict(resource.body)["typedConfig"]
    value = dict(extension["value"])
    assert extension["@type"].endswith(typed_struct_pb2.TypedStruct.DESCRIPTOR.full_name)
    assert value.pop("enable_retry_after_header")
    assert "local_cluster_rate_limit" not in value
    parsed = json_format.ParseDict(value, local_rate_limit_pb2.LocalRateLimit())
    assert [(entry.entries[0].value, entry.token_bucket.max_tokens) for entry in parsed.descriptors] == [("a", 5)]


def test_who_calls_is_read_where_the_token_filter_leaves_it() -> None:
    assert SUBJECT_HEADER.encode() in MODULE


@given(st.integers(1, MAX_REQUESTS), st.integers(1, 100))
def test_each_gateway_lets_a_whole_request_through_also_while_there_is_one_more(burst: int, gateways: int) -> None:
    resource = project_limits_filter([ProjectLimits("a", RateLimit(1, burst=burst))], gateways=gateways)
    (size,) = {
        entry["token_bucket"]["max_tokens"]
        for entry in json_format.MessageToDict(resource.body)["typedConfig"]["value"]["descriptors"]
    }
    assert size == max(burst, least_burst(gateways))
    for count in range(1, gateways + 2):
        assert 1 <= size // count <= max(burst // count, gateways + 1)
    assert resource.alone == project_limits_filter([ProjectLimits("a", RateLimit(1, burst=burst))]).body
