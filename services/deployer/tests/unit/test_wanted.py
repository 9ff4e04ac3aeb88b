"""What a caller may say about how a deployment runs, and what comes of it."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kea.deployer.v1 import deployment_pb2
from kea_core.errors import FieldOutOfBounds, UpdateMaskInvalid
from kea_deployer.convert import deployment_to_proto, wanted_from_proto
from kea_deployer.domain.autoscaling import Autoscaling
from kea_deployer.domain.pod_template import PodTemplate, SecretKey, Toleration, Variable
from kea_deployer.domain.quantity import read_quantity
from kea_deployer.domain.wanted import Wanted
from kubernetes.utils.quantity import parse_quantity  # noqa: TID251 - what ours is compared with

GPU = PodTemplate(resource_limits={"nvidia.com/gpu": "1"})
SCALING = Autoscaling(2, 5, target_cpu_percent=70)
QUANTITIES = st.builds(
    "{}{}".format,
    st.integers(0, 10**9) | st.decimals(0, 10**6, places=3, allow_nan=False).map(lambda value: f"{value:f}"),
    st.sampled_from(["", "n", "u", "m", "k", "M", "G", "T", "P", "E", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"]),
)


@pytest.mark.parametrize(
    ("wanted", "paths", "count", "template", "scaling"),
    [
        (Wanted(), (), 1, GPU, None),
        (Wanted(replica_count=0), (), 0, GPU, None),
        (Wanted(replica_count=4), ("replica_count",), 4, GPU, None),
        (Wanted(replica_count=4), ("pod_template",), 3, PodTemplate(), None),
        (Wanted(pod_template=PodTemplate()), (), 3, PodTemplate(), None),
        (Wanted(autoscaling=SCALING), (), 2, GPU, SCALING),
        (Wanted(0, autoscaling=SCALING), (), 0, GPU, SCALING),
        (Wanted(replica_count=4), ("*",), 4, PodTemplate(), None),
    ],
)
def test_what_is_said_is_applied(
    helpers: Any,
    wanted: Wanted,
    paths: tuple[str, ...],
    count: int,
    template: PodTemplate,
    scaling: Autoscaling | None,
) -> None:
    before = replace(helpers.make_deployment(wanted=3), pod_template=GPU)
    after = wanted.applied_to(before, paths)
    assert (after.replica_count, after.pod_template, after.autoscaling) == (count, template, scaling)


def test_autoscaling_that_comes_does_not_wake_what_is_idle(helpers: Any) -> None:
    idle = helpers.make_deployment(wanted=0)
    assert Wanted(autoscaling=SCALING).applied_to(idle, ()).replica_count == 0
    assert Wanted(autoscaling=SCALING).applied_to(idle, ("replica_count", "autoscaling")).replica_count == 2


def test_autoscaling_that_goes_leaves_the_number_it_began_with(helpers: Any) -> None:
    scaled = replace(helpers.make_deployment(wanted=2), autoscaling=SCALING)
    after = Wanted().applied_to(scaled, ("autoscaling",))
    assert (after.replica_count, after.autoscaling) == (2, None)


def test_a_path_that_cannot_be_changed_is_refused(helpers: Any) -> None:
    with pytest.raises(UpdateMaskInvalid, match="expected any of autoscaling, pod_template, replica_count"):
        Wanted().applied_to(helpers.make_deployment(), ("model_version",))


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (Wanted(3, autoscaling=SCALING), "replica_count"),
        (Wanted(autoscaling=Autoscaling(5, 2, 70)), "autoscaling.max_replica_count"),
        (Wanted(autoscaling=Autoscaling(1, 2)), "autoscaling.target_cpu_percent"),
        (Wanted(pod_template=PodTemplate(resource_requests={"cpu": "many"})), 'pod_template.resource_requests["cpu"]'),
        (Wanted(pod_template=PodTemplate({"cpu": "2"}, {"cpu": "1500m"})), 'pod_template.resource_requests["cpu"]'),
        (Wanted(pod_template=PodTemplate(node_selector={"a b": "c"})), 'pod_template.node_selector["a b"]'),
        (Wanted(pod_template=PodTemplate(labels={"kea.dev/model": "x"})), 'pod_template.labels["kea.dev/model"]'),
        (
            Wanted(pod_template=PodTemplate(annotations={"seccomp.security.kubernetes.io/pod": "unconfined"})),
            'pod_template.annotations["seccomp.security.kubernetes.io/pod"]',
        ),
        (Wanted(pod_template=PodTemplate(labels={"a": "b c"})), 'pod_template.labels["a"]'),
        (Wanted(pod_template=PodTemplate(annotations={"a": "b" * 9000})), "pod_template.annotations"),
        (Wanted(pod_template=PodTemplate(tolerations=(Toleration(value="x"),))), "pod_template.tolerations[0].value"),
        (
            Wanted(pod_template=PodTemplate(environment=(Variable("A"), Variable("LD_PRELOAD", "/x")))),
            "pod_template.environment[1].name",
        ),
        (
            Wanted(pod_template=PodTemplate(environment=(Variable("A"), Variable("A")))),
            "pod_template.environment[1].name",
        ),
    ],
)
def test_what_no_cluster_would_take_is_refused_by_name(helpers: Any, wanted: Wanted, field: str) -> None:
    with pytest.raises(FieldOutOfBounds) as refused:
        wanted.applied_to(helpers.make_deployment(), ())
    assert [violation.field for violation in refused.value.violations] == [f"deployment.{field}"]
    assert "expected" in refused.value.violations[0].description


def test_names_that_only_begin_like_reserved_ones_are_fine(helpers: Any) -> None:
    variables = tuple(map(Variable, ("LDAP_URL", "KEANU", "HOMES")))
    template = PodTemplate(environment=variables, labels={"notkubernetes.io/a": "b"})
    assert Wanted(pod_template=template).applied_to(helpers.make_deployment(), ()).pod_template == template


@given(QUANTITIES)
def test_quantities_are_what_kubernetes_takes_them_for(text: str) -> None:
    assert read_quantity(text) == parse_quantity(text)


@pytest.mark.parametrize("text", ["", "1 Gi", "-1", "1gi", "Gi", "1e", "0x1", "1_000", "٣", "NaN", "1" * 30])
def test_what_is_no_quantity_is_none(text: str) -> None:
    assert read_quantity(text) is None
    assert read_quantity("3e2") == Decimal(300)


def test_what_callers_see_says_what_they_said(helpers: Any) -> None:
    template = PodTemplate(
        {"cpu": "1"},
        {"memory": "1Gi"},
        {"pool": "a"},
        (Toleration("a", "b", "NoExecute"),),
        (Variable("A", "1"), Variable("B", secret=SecretKey("model-s", "k")), Variable("C")),
        {"l": "1"},
        {"n": "2"},
    )
    deployment = replace(helpers.make_deployment(wanted=2), pod_template=template, autoscaling=SCALING)
    shown = deployment_pb2.Deployment.FromString(deployment_to_proto(deployment).SerializeToString())
    assert wanted_from_proto(shown) == Wanted(2, template, SCALING)
    assert wanted_from_proto(deployment_pb2.Deployment()) == Wanted()
