from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from kea_core.policy import is_under
from kea_router.domain.lineages import Lineages

ENDPOINTS = tuple(f"projects/{project}/endpoints/{name}" for project in ("p", "pp") for name in ("e", "ee"))
RESOURCES = ("", "projects/p", "projects/pp", "projects/p/models/e", *ENDPOINTS, f"{ENDPOINTS[0]}/methods/m")


@given(st.lists(st.tuples(st.booleans(), st.sampled_from(ENDPOINTS))))
def test_what_is_under_a_resource_is_found_and_nothing_else(steps: list[tuple[bool, str]]) -> None:
    lineages, known = Lineages(), set[str]()
    for comes, endpoint in steps:
        (lineages.add if comes else lineages.discard)(endpoint)
        (known.add if comes else known.discard)(endpoint)
    for resource in RESOURCES:
        assert lineages.under(resource) == {endpoint for endpoint in known if is_under(endpoint, resource)}
