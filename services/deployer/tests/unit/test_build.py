"""What a build may become."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kea.deployer.v1 import build_pb2
from kea_core.resource_name import parse_name
from kea_deployer.build_convert import STATES, build_operation_to_proto, build_to_proto
from kea_deployer.domain.build import CANCELLING, MAX_STEP, Build, BuildState, Product
from kea_deployer.domain.plan import Failure

PRODUCT = Product("r/i:1@sha256:1", "r/base@sha256:2", {"b": "click==1", "a": "numpy==2"}, 5)
FAILURE = Failure("ENVIRONMENT_FAILED", "no such package", final=True)


@pytest.fixture
def queued(helpers: Any) -> Build:
    return Build.queue("default", helpers.make_model(), ("linux/amd64",), "r/i:1", helpers.NOON)


def test_later_builds_have_greater_names(helpers: Any) -> None:
    names = [
        Build.queue("p", helpers.make_model(), (), "r/i:1", helpers.NOON + timedelta(milliseconds=n)).name
        for n in range(40)
    ]
    assert names == sorted(names)
    assert len({len(name) for name in names}) == 1


def test_two_builds_of_one_moment_are_two(helpers: Any) -> None:
    first, second = (Build.queue("p", helpers.make_model(), (), "r/i:1", helpers.NOON) for _ in range(2))
    assert first.name != second.name
    assert first.operation != second.operation
    assert parse_name(first.operation, "projects", "operations")[0] == "p"


def test_a_queued_build_is_cancelled_at_once_and_a_running_one_is_asked_to_end(queued: Build, helpers: Any) -> None:
    assert queued.cancel(helpers.NOON).state is BuildState.CANCELLED
    asked = queued.start(helpers.NOON).cancel(helpers.NOON)
    assert (asked.state, asked.cancelling, asked.step, asked.end_time) == (BuildState.RUNNING, True, CANCELLING, None)
    assert asked.cancel(helpers.NOON) == asked
    assert asked.at("packing") == asked, "a step does not hide that it is being cancelled"


def test_what_has_ended_stays_as_it_is(queued: Build, helpers: Any) -> None:
    later = helpers.NOON + timedelta(days=1)
    for ended in (
        queued.succeed(PRODUCT, helpers.NOON),
        queued.fail(FAILURE, helpers.NOON),
        queued.stop(helpers.NOON),
    ):
        assert ended.ended
        assert ended.cancel(later) == ended.at("packing") == ended


def test_the_end_of_a_build_is_at_no_step_and_not_being_cancelled(queued: Build, helpers: Any) -> None:
    running = queued.start(helpers.NOON).at("packing").cancel(helpers.NOON)
    for ended in (
        running.succeed(PRODUCT, helpers.NOON),
        running.fail(FAILURE, helpers.NOON),
        running.stop(helpers.NOON),
    ):
        assert (ended.step, ended.cancelling, ended.end_time) == ("", False, helpers.NOON)


def test_a_build_that_nobody_runs_any_more_is_queued_again_unless_it_was_being_cancelled(
    queued: Build, helpers: Any
) -> None:
    running = queued.start(helpers.NOON)
    assert running.at("packing").resume(helpers.NOON).state is BuildState.QUEUED
    assert running.cancel(helpers.NOON).resume(helpers.NOON).state is BuildState.CANCELLED


def test_a_step_fits_where_it_is_kept(queued: Build) -> None:
    assert len(queued.at("x" * 9999).step) == MAX_STEP


def test_every_state_has_one_of_the_protos() -> None:
    assert set(STATES) == set(BuildState)
    assert {build_pb2.Build.STATE_UNSPECIFIED, *STATES.values()} == set(build_pb2.Build.State.values())


def test_a_build_is_shown_with_all_it_has_made(queued: Build, helpers: Any) -> None:
    shown = build_to_proto(queued.start(helpers.NOON).succeed(PRODUCT, helpers.NOON))
    assert (shown.image, shown.base, shown.bytes_pushed) == (PRODUCT.image, PRODUCT.base, 5)
    assert [(lock.target, lock.requirements) for lock in shown.locks] == [("a", "numpy==2"), ("b", "click==1")]
    assert not shown.HasField("error")
    assert not build_to_proto(queued).HasField("start_time")


def test_an_operation_ends_as_its_build_does(queued: Build, helpers: Any) -> None:
    assert not build_operation_to_proto(queued.start(helpers.NOON)).done
    succeeded, response = build_operation_to_proto(queued.succeed(PRODUCT, helpers.NOON)), build_pb2.Build()
    assert succeeded.response.Unpack(response)
    assert response.image == PRODUCT.image
    failed = build_operation_to_proto(queued.fail(FAILURE, helpers.NOON))
    assert (failed.done, failed.error.code, failed.error.message) == (True, 9, FAILURE.message)
    cancelled = build_operation_to_proto(queued.cancel(helpers.NOON))
    assert (cancelled.done, cancelled.error.code) == (True, 1), "as google.longrunning has it"
