from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from kea_router.domain.revision import EndpointRevision, is_outdated, same_content, served_by


def served(helpers: Any, *deployments: Any, **weights: int) -> Any:
    """Returns what an endpoint with these weights serves from these deployments."""
    return served_by(helpers.make_endpoint(**weights), {entry.name: entry for entry in deployments})


def test_what_serves_is_told_with_version_share_and_template(helpers: Any) -> None:
    v1 = helpers.make_deployment("v1", version=1, template='{"runtimeClass": "kata"}')
    v2 = helpers.make_deployment("v2", version=2)
    one, two = served(helpers, v1, v2, v1=9_000, v2=1_000)
    assert one.content == (helpers.version_name(1), 9_000, '{"runtimeClass": "kata"}', "")
    assert two.content == (helpers.version_name(2), 1_000, "{}", "")
    assert (one.deployment, one.update_time) == (v1.name, v1.update_time)


def test_nothing_is_told_before_all_that_has_weight_serves(helpers: Any) -> None:
    v1 = helpers.make_deployment("v1")
    assert served(helpers, v1=10_000) is None
    assert served(helpers, helpers.make_deployment("v1", replicas=0), v1=10_000) is None
    assert served(helpers, v1, v1=9_000, v2=1_000) is None
    (one,) = served(helpers, v1, v1=10_000, v2=0)
    assert one.deployment == v1.name


def test_a_change_is_of_version_share_or_template_and_nothing_else(helpers: Any) -> None:
    before = served(helpers, helpers.make_deployment("v1"), v1=10_000)
    later = helpers.make_deployment("v1", replicas=3, changed=helpers.NOON + timedelta(hours=1))
    assert same_content(before, served(helpers, later, v1=10_000))
    assert same_content(before, served(helpers, helpers.make_deployment("other"), other=10_000))
    assert not same_content(before, served(helpers, helpers.make_deployment("v1", version=2), v1=10_000))
    assert not same_content(before, served(helpers, helpers.make_deployment("v1", template='{"a": 1}'), v1=10_000))


def test_the_order_of_targets_is_no_change(helpers: Any) -> None:
    both = [helpers.make_deployment("v1"), helpers.make_deployment("v2", version=2)]
    assert same_content(served(helpers, *both, v1=4_000, v2=6_000), served(helpers, *both, v2=6_000, v1=4_000))
    assert not same_content(served(helpers, *both, v1=4_000, v2=6_000), served(helpers, *both, v1=6_000, v2=4_000))


@pytest.mark.parametrize(("minutes", "outdated"), [(-1, True), (0, False), (1, False)])
def test_what_is_older_than_what_is_kept_of_the_same_deployment_is_outdated(
    helpers: Any, minutes: int, *, outdated: bool
) -> None:
    kept = served(helpers, helpers.make_deployment("v1"), v1=10_000)
    seen = helpers.make_deployment("v1", changed=helpers.NOON + timedelta(minutes=minutes))
    assert is_outdated(served(helpers, seen, v1=10_000), kept) is outdated


def test_another_deployment_is_never_outdated(helpers: Any) -> None:
    kept = served(helpers, helpers.make_deployment("v2"), v2=10_000)
    seen = helpers.make_deployment("v1", changed=helpers.NOON - timedelta(days=1))
    assert not is_outdated(served(helpers, seen, v1=10_000), kept)


def test_a_revision_has_a_resource_name(helpers: Any) -> None:
    assert EndpointRevision(helpers.endpoint_name("iris"), 7, (), helpers.NOON).name == (
        "projects/default/endpoints/iris/revisions/7"
    )
