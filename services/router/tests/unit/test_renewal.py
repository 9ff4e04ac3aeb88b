"""What is made of a published endpoint is what would be translated anew."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from kea_router.domain.endpoint import Endpoint, Target
from kea_router.domain.invokers import EndpointInvokers
from kea_router.domain.limits import Limits, RateLimit
from kea_router.renewal import with_invokers
from kea_router.translate.endpoint_routes import endpoint_resources
from kea_router.translate.policy import invokers_policy

MEMBERS = st.lists(st.sampled_from(["everyone", "groups/x", "serviceAccounts/ci", "users/ada"]), unique=True).map(
    lambda members: tuple(sorted(members))
)
INVOKERS = st.builds(
    EndpointInvokers,
    st.sampled_from([("admin", "consumer"), ("admin", "consumer", "custom")]),
    MEMBERS,
    st.sampled_from([(), (("m", ("users/bob",)),), (("m", ("users/bob",)), ("n", ("groups/x", "users/eve")))]),
)
LIMITS = st.builds(
    Limits, st.none() | st.just(RateLimit(5)), st.none() | st.just(RateLimit(7, burst=1)), st.sampled_from([0, 3])
)


@given(INVOKERS, INVOKERS, LIMITS, st.sampled_from([0, 1]), st.sampled_from([0, 2]))
def test_a_renewed_endpoint_is_as_if_translated_anew(
    helpers: Any, before: EndpointInvokers, after: EndpointInvokers, limits: Limits, known: int, gateways: int
) -> None:
    targets = tuple(Target(helpers.deployment_name(short), 5000) for short in ("v1", "v2"))
    endpoint = Endpoint(helpers.endpoint_name("a"), targets, 0.0, 1, helpers.NOON, helpers.NOON, limits=limits)
    deployments = {target.deployment: helpers.make_deployment("v1") for target in targets[:known]}
    published, scope = endpoint_resources(endpoint, deployments, before, gateways=gateways)
    wanted = endpoint_resources(endpoint, deployments, after, gateways=gateways)
    assert [with_invokers(published, after), scope] == wanted


def test_what_is_kept_of_a_policy_is_not_changed_by_it(helpers: Any) -> None:
    one, other = (EndpointInvokers(("consumer",), (member,)) for member in ("users/ada", "users/bob"))
    kept = invokers_policy(one).SerializeToString()
    published, _ = endpoint_resources(helpers.make_endpoint("a"), {}, one)
    with_invokers(published, other)
    assert invokers_policy(one).SerializeToString() == kept
    assert published == endpoint_resources(helpers.make_endpoint("a"), {}, one)[0]
