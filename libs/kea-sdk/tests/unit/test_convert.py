from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf import duration_pb2, timestamp_pb2
from kea.auth.v1 import token_pb2
from kea.common.v1 import condition_pb2
from kea.deployer.v1 import deployment_pb2
from kea.registry.v1 import model_pb2, model_version_pb2, signature_pb2
from kea.router.v1 import endpoint_pb2
from kea_openapi import convert as signatures
from kea_openapi.signature import Datatype, Field, Method, Signature, TensorType
from kea_sdk import convert
from kea_sdk.resources import Condition, Target

URL = "https://kea.example.com"
STAMP = timestamp_pb2.Timestamp(seconds=1_700_000_000)
MOMENT = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
CONDITION = condition_pb2.Condition(
    type="Ready", status=condition_pb2.Condition.STATUS_FALSE, reason="NO_REPLICA", message="none is ready"
)
FIELD = Field("input", TensorType(Datatype.FP64, (-1, 4)))
SIGNATURE = Signature((Method("predict", (FIELD,), ()),), "predict")


def test_a_model_has_its_aliases_in_order() -> None:
    message = model_pb2.Model(name="projects/default/models/iris", latest_version=3, create_time=STAMP)
    message.aliases.update(stable=1, champion=2)
    found = convert.model(message)
    assert (found.name, found.latest_version, found.create_time, found.update_time) == ("iris", 3, MOMENT, None)
    assert list(found.aliases.items()) == [("champion", 2), ("stable", 1)]


def test_a_version_has_its_signature() -> None:
    message = model_version_pb2.ModelVersion(
        name="projects/default/models/iris/versions/3",
        number=3,
        framework=model_version_pb2.FRAMEWORK_ONNX,
        signature=signatures.to_proto(SIGNATURE),
        requirements=["numpy==2"],
    )
    found = convert.model_version(message)
    assert (str(found), found.framework, found.requirements) == ("iris:3", "onnx", ("numpy==2",))
    assert found.signature == SIGNATURE


def test_what_a_newer_kea_says_is_shown_as_far_as_it_is_understood() -> None:
    unknown = signature_pb2.Signature(methods=[signature_pb2.Method(name="x" * 100)])
    version = model_version_pb2.ModelVersion(name="projects/p/models/m/versions/1", framework=99, signature=unknown)  # pyright: ignore[reportArgumentType]
    assert (convert.model_version(version).framework, convert.model_version(version).signature) == ("99", None)
    deployment = deployment_pb2.Deployment(model_version="projects/p/models/m/versions/1", state=99)  # pyright: ignore[reportArgumentType]
    assert convert.deployment(deployment).state == "99"
    endpoint = endpoint_pb2.Endpoint(name="projects/p/endpoints/e", state=99)  # pyright: ignore[reportArgumentType]
    assert convert.endpoint(endpoint, URL).state == "99"


def test_a_deployment_tells_how_many_replicas_are_ready_and_its_first_problem() -> None:
    ready = deployment_pb2.Replica(state=deployment_pb2.Replica.STATE_READY)
    message = deployment_pb2.Deployment(
        name="projects/default/deployments/iris-v3",
        model_version="projects/default/models/iris/versions/3",
        replica_count=2,
        replicas=[ready, deployment_pb2.Replica()],
        state=deployment_pb2.Deployment.STATE_ACTIVE,
        conditions=[CONDITION],
    )
    found = convert.deployment(message)
    assert (found.name, found.model, found.version) == ("iris-v3", "iris", 3)
    assert (found.ready_replicas, found.replicas, found.state) == (1, 2, "ACTIVE")
    assert found.problem == Condition(type="Ready", status="FALSE", reason="NO_REPLICA", message="none is ready")


def test_an_endpoint_has_the_addresses_that_callers_use() -> None:
    message = endpoint_pb2.Endpoint(
        name="projects/default/endpoints/iris",
        targets=[endpoint_pb2.Target(deployment="projects/default/deployments/iris-v3", weight=10_000)],
        timeout=duration_pb2.Duration(seconds=1, nanos=500_000_000),
        state=endpoint_pb2.Endpoint.STATE_ACTIVE,
    )
    found = convert.endpoint(message, URL)
    assert (found.url, found.docs_url) == (f"{URL}/models/iris", f"{URL}/models/iris/docs")
    assert (found.targets, found.timeout_seconds) == ((Target(deployment="iris-v3", weight=10_000),), 1.5)
    message.name = "projects/lab/endpoints/iris"
    assert convert.endpoint(message, URL).url == f"{URL}/projects/lab/models/iris"


def test_a_token_does_not_show_itself() -> None:
    message = token_pb2.Token(access_token="secret", subject="users/admin", scopes=["admin"], expire_time=STAMP)
    found = convert.token(message)
    assert (found.access_token, found.expire_time) == ("secret", MOMENT)
    assert "secret" not in repr(found)


def test_a_line_of_a_log_says_whose_it_is() -> None:
    found = convert.log_line(deployment_pb2.LogEntry(time=STAMP, replica="a", text="hello"), "iris-v3")
    assert (found.time, found.deployment, found.replica, found.text) == (MOMENT, "iris-v3", "a", "hello")
