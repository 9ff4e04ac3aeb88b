from __future__ import annotations

import pytest
from google.protobuf.message import Message
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2
from kea.registry.v1 import model_pb2, model_service_pb2, model_version_pb2, model_version_service_pb2
from kea.router.v1 import endpoint_pb2, endpoint_service_pb2
from kea_core.errors import FieldOutOfBounds
from kea_core.validation import validate

TARGET = endpoint_pb2.Target(deployment="projects/p/deployments/d", weight=10_000)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (model_service_pb2.GetModelRequest(), "name"),
        (model_service_pb2.GetModelRequest(name="models/m"), "name"),
        (model_service_pb2.GetModelRequest(name="projects/p/models/M"), "name"),
        (model_service_pb2.GetModelRequest(name="projects/p/models/m\n"), "name"),
        (model_service_pb2.GetModelRequest(name="projects/p/models/" + "m" * 64), "name"),
        (model_service_pb2.ListModelsRequest(parent="projects/p/models/m"), "parent"),
        (model_service_pb2.ListModelsRequest(parent="projects/p", page_size=-1), "page_size"),
        (model_service_pb2.CreateModelRequest(parent="projects/p", model_id="-"), "model_id"),
        (
            model_service_pb2.CreateModelRequest(
                parent="projects/p", model_id="m", model=model_pb2.Model(display_name="x" * 257)
            ),
            "model.display_name",
        ),
        (model_service_pb2.SetModelAliasRequest(name="projects/p/models/m", alias="a"), "version"),
        (model_version_service_pb2.DeleteModelVersionRequest(name="projects/p/models/m/versions/0"), "name"),
        (
            model_version_service_pb2.UploadModelVersionRequest(
                header=model_version_service_pb2.UploadModelVersionHeader(
                    parent="projects/p/models/m",
                    model_version=model_version_pb2.ModelVersion(
                        framework=model_version_pb2.FRAMEWORK_SKLEARN, entrypoint="x", sha256="zz"
                    ),
                )
            ),
            "header.model_version.sha256",
        ),
        (
            deployment_service_pb2.CreateDeploymentRequest(
                parent="projects/p",
                deployment_id="d",
                deployment=deployment_pb2.Deployment(model_version="projects/p/models/m/versions/1", replica_count=65),
            ),
            "deployment.replica_count",
        ),
        (
            endpoint_service_pb2.CreateEndpointRequest(
                parent="projects/p", endpoint_id="e", endpoint=endpoint_pb2.Endpoint(targets=[TARGET] * 17)
            ),
            "endpoint.targets",
        ),
        (
            endpoint_service_pb2.CreateEndpointRequest(
                parent="projects/p",
                endpoint_id="e",
                endpoint=endpoint_pb2.Endpoint(targets=[TARGET, endpoint_pb2.Target(deployment="x", weight=1)]),
            ),
            "endpoint.targets[1].deployment",
        ),
    ],
)
def test_a_field_out_of_bounds_is_named(message: Message, field: str) -> None:
    with pytest.raises(FieldOutOfBounds) as caught:
        validate(message)
    assert field in [violation.field for violation in caught.value.violations]


@pytest.mark.parametrize(
    "message",
    [
        model_service_pb2.GetModelRequest(name="projects/default/models/iris"),
        model_service_pb2.UpdateModelRequest(model=model_pb2.Model(name="projects/p/models/m")),
        model_version_service_pb2.GetModelVersionRequest(name="projects/p/models/m/versions/latest"),
        model_version_service_pb2.UploadModelVersionRequest(chunk=b"x"),
        endpoint_service_pb2.CreateEndpointRequest(
            parent="projects/p", endpoint_id="e", endpoint=endpoint_pb2.Endpoint(targets=[TARGET])
        ),
    ],
)
def test_what_is_within_bounds_passes(message: Message) -> None:
    validate(message)


def test_every_violation_is_told_at_once_up_to_a_bound() -> None:
    endpoint = endpoint_pb2.Endpoint(targets=[endpoint_pb2.Target(deployment="x", weight=-1)] * 16)
    request = endpoint_service_pb2.CreateEndpointRequest(parent="projects/p", endpoint_id="e", endpoint=endpoint)
    with pytest.raises(FieldOutOfBounds) as caught:
        validate(request)
    assert len(caught.value.violations) == 20
