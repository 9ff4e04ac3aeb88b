from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from fake_gateway import FakeGateway
from kea.deployer.v1 import deployment_pb2
from kea_sdk import (
    Aborted,
    Client,
    DeadlineExceeded,
    DeploymentFailed,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unauthenticated,
    Unavailable,
    Unreachable,
)
from sklearn.linear_model import LogisticRegression

DEPLOYMENTS = "projects/default/deployments/"
ENDPOINT = "projects/default/endpoints/iris"


@pytest.fixture
def model() -> LogisticRegression:
    return LogisticRegression().fit(np.array([[0.0, 1.0], [1.0, 0.0]]), np.array([0, 1]))


@pytest.fixture
def pushed(client: Client, model: LogisticRegression) -> Client:
    client.push("iris", model)
    return client


def test_push_uploads_the_archive_with_what_was_derived(
    gateway: FakeGateway, client: Client, model: LogisticRegression
) -> None:
    sent: list[tuple[int, int]] = []
    made = client.push("iris", model, description="first", progress=lambda done, total: sent.append((done, total)))
    assert (str(made), made.framework, made.entrypoint, made.creator) == (
        "iris:1",
        "sklearn",
        "model.joblib",
        "users/admin",
    )
    assert made.signature is not None
    assert made.signature.default_method == "predict"
    assert any(line.startswith("scikit-learn==") for line in made.requirements)
    assert sent[0][0] == 0
    assert sent[-1][0] == sent[-1][1] == made.size_bytes
    with tarfile.open(fileobj=io.BytesIO(gateway.world.archives["projects/default/models/iris/versions/1"])) as tar:
        assert tar.getnames() == ["model.joblib"]


def test_push_is_sent_again_as_the_same_request_when_the_connection_breaks(
    gateway: FakeGateway, client: Client, model: LogisticRegression
) -> None:
    gateway.world.unavailable["UploadModelVersion"] = 1
    assert client.push("iris", model).number == 1
    assert len(gateway.world.log("UploadModelVersion")) == 2
    assert len(set(gateway.world.request_ids)) == 1


def test_models_are_listed_over_pages(client: Client, model: LogisticRegression) -> None:
    for name in ("c", "a", "b"):
        client.push(name, model)
    assert [entry.name for entry in client.models()] == ["a", "b", "c"]


def test_aliases_and_versions(pushed: Client, model: LogisticRegression) -> None:
    pushed.push("iris", model)
    assert pushed.alias("iris", "champion", 1).aliases == {"champion": 1}
    assert pushed.version("iris@champion").number == 1
    assert pushed.version("iris").number == 2
    assert [entry.number for entry in pushed.versions("iris")] == [2, 1]


def test_deploy_makes_deployment_and_endpoint(gateway: FakeGateway, pushed: Client) -> None:
    steps: list[str] = []
    done = pushed.deploy("iris", replicas=2, report=steps.append)
    assert (done.deployment.name, done.deployment.state, done.deployment.replicas) == ("iris-v1", "ACTIVE", 2)
    assert done.endpoint.url == f"{gateway.url}/models/iris"
    assert (done.endpoint.state, done.endpoint.reconciling) == ("ACTIVE", False)
    assert "laying out the environment" in steps


def test_a_new_version_is_served_before_the_old_one_goes(
    gateway: FakeGateway, pushed: Client, model: LogisticRegression
) -> None:
    pushed.deploy("iris")
    pushed.push("iris", model)
    done = pushed.deploy("iris")
    assert done.replaced == ("iris-v1",)
    assert list(gateway.world.deployments) == [f"{DEPLOYMENTS}iris-v2"]
    order = [call for call in gateway.world.calls if call.startswith(("aimed", "deleted"))]
    assert order == ["aimed at iris-v2", "deleted iris-v1"]


def test_a_version_that_fails_leaves_the_old_one_serving(
    gateway: FakeGateway, pushed: Client, model: LogisticRegression
) -> None:
    pushed.deploy("iris")
    pushed.push("iris", model)
    gateway.world.broken.add("projects/default/models/iris/versions/2")
    with pytest.raises(DeploymentFailed, match="iris-v2 did not come up: ValueError: broken") as caught:
        pushed.deploy("iris")
    assert caught.value.reason == "MODEL_LOAD_FAILED"
    assert caught.value.logs == ("Traceback", "ValueError: broken")
    assert list(gateway.world.deployments) == [f"{DEPLOYMENTS}iris-v1"]
    assert [target.deployment for target in gateway.world.endpoints[ENDPOINT].targets] == [f"{DEPLOYMENTS}iris-v1"]


def test_the_same_version_again_changes_its_replicas(gateway: FakeGateway, pushed: Client) -> None:
    pushed.deploy("iris")
    done = pushed.deploy("iris:1", replicas=3)
    assert (done.deployment.replicas, done.replaced) == (3, ())
    assert len(gateway.world.log("CreateDeployment")) == 1
    assert [call for call in gateway.world.calls if call.startswith("aimed")] == []


def test_a_model_deleted_and_pushed_anew_is_not_taken_for_the_one_that_serves(
    gateway: FakeGateway, pushed: Client, model: LogisticRegression
) -> None:
    pushed.deploy("iris")
    pushed.delete_model("iris", force=True)
    pushed.push("iris", model)
    done = pushed.deploy("iris")
    assert (done.deployment.name, done.replaced) == ("iris-v1-2", ("iris-v1",))


def test_a_rollback_serves_what_was_served_before_on_as_many_replicas_as_now(
    gateway: FakeGateway, pushed: Client, model: LogisticRegression
) -> None:
    pushed.deploy("iris", pod_template={"resource_requests": {"cpu": "1"}})
    pushed.push("iris", model)
    pushed.deploy("iris", replicas=3)
    done = pushed.rollback("iris")
    assert (done.deployment.name, done.deployment.replicas, done.replaced) == ("iris-v1", 3, ("iris-v2",))
    assert gateway.world.deployments[f"{DEPLOYMENTS}iris-v1"].pod_template.resource_requests == {"cpu": "1"}
    order = [call for call in gateway.world.calls if call.startswith(("aimed", "deleted"))][-2:]
    assert order == ["aimed at iris-v1", "deleted iris-v2"]
    assert [str(entry) for entry in pushed.revisions("iris")] == ["iris:1", "iris:2", "iris:1"]
    assert pushed.rollback("iris", to=2).deployment.version == 2


def test_a_rollback_of_a_changed_template_changes_it_back_in_place(gateway: FakeGateway, pushed: Client) -> None:
    pushed.deploy("iris")
    pushed.deploy("iris", pod_template={"resource_requests": {"cpu": "64"}})
    pushed.rollback("iris")
    (found,) = gateway.world.deployments.values()
    assert found.pod_template.resource_requests == {}


def test_a_rollback_to_an_image_takes_the_one_that_served(gateway: FakeGateway, pushed: Client) -> None:
    pushed.deploy("iris", image="registry/iris:latest")
    pushed.deploy("iris", image="registry/iris:other")
    pushed.rollback("iris")
    (found,) = gateway.world.deployments.values()
    assert found.prebuilt_image == "registry/iris:latest@sha256:1"


def test_a_rollback_to_several_brings_all_of_them_up_with_their_shares(
    gateway: FakeGateway, pushed: Client, model: LogisticRegression
) -> None:
    pushed.deploy("iris", replicas=2)
    pushed.push("iris", model)
    kept = gateway.world.revisions[ENDPOINT]
    kept[0].targets[0].weight = 9_000
    for cpu in ("1", "2"):  # the same version twice, run otherwise
        target = kept[0].targets.add(model_version=kept[0].targets[0].model_version, weight=500)
        target.pod_template.resource_requests["cpu"] = cpu
    pushed.deploy("iris")
    done = pushed.rollback("iris", to=1)
    assert (done.deployment.name, done.replaced) == ("iris-v1", ("iris-v2",))
    assert sorted(target.weight for target in done.endpoint.targets) == [500, 500, 9_000]
    found = {name.rpartition("/")[2]: entry for name, entry in gateway.world.deployments.items()}
    assert [found[name].pod_template.resource_requests.get("cpu") for name in sorted(found)] == [None, "1", "2"]


def test_a_rollback_to_a_version_pushed_anew_is_refused(
    gateway: FakeGateway, pushed: Client, model: LogisticRegression
) -> None:
    pushed.deploy("iris")
    pushed.push("iris", model)
    pushed.deploy("iris")
    pushed.delete_model("iris", force=True)
    pushed.push("iris", model)
    with pytest.raises(FailedPrecondition, match="iris:1 has been pushed anew since revision 1 served") as caught:
        pushed.rollback("iris")
    assert caught.value.reason == "VERSION_REPLACED"
    assert list(gateway.world.deployments) == [f"{DEPLOYMENTS}iris-v2"]


def test_a_rollback_to_a_version_that_fails_leaves_what_serves(
    gateway: FakeGateway, pushed: Client, model: LogisticRegression
) -> None:
    pushed.deploy("iris")
    pushed.push("iris", model)
    pushed.deploy("iris")
    gateway.world.broken.add("projects/default/models/iris/versions/1")
    with pytest.raises(DeploymentFailed, match="iris-v1 did not come up"):
        pushed.rollback("iris")
    assert list(gateway.world.deployments) == [f"{DEPLOYMENTS}iris-v2"]


def test_an_endpoint_is_changed_where_something_is_said(gateway: FakeGateway, pushed: Client) -> None:
    pushed.deploy("iris")
    changed = pushed.update_endpoint("iris", timeout_seconds=1.5, retry="unanswered")
    assert (changed.timeout_seconds, changed.retry) == (1.5, "unanswered")
    changed = pushed.endpoint("iris")
    assert (changed.timeout_seconds, changed.retry, len(changed.targets)) == (1.5, "unanswered", 1)
    for seconds in (-1, 3601, 1e300, float("nan")):
        with pytest.raises(InvalidArgument, match="expected up to 3600 s"):
            pushed.update_endpoint("iris", timeout_seconds=seconds)
    with pytest.raises(InvalidArgument, match="nothing is to be changed"):
        pushed.update_endpoint("iris")
    with pytest.raises(InvalidArgument, match="retry is 'always'; expected unsent or unanswered"):
        pushed.update_endpoint("iris", retry="always")


def test_who_changed_the_endpoint_meanwhile_is_not_overruled(
    gateway: FakeGateway, pushed: Client, model: LogisticRegression
) -> None:
    pushed.deploy("iris")
    pushed.push("iris", model)

    def meddle(_step: str) -> None:
        gateway.world.endpoints[ENDPOINT].etag = "other"

    with pytest.raises(Aborted) as caught:
        pushed.deploy("iris", report=meddle)
    assert caught.value.reason == "ETAG_MISMATCH"
    assert list(gateway.world.deployments) == [f"{DEPLOYMENTS}iris-v1"]


def test_deploying_again_goes_on_after_a_timeout(gateway: FakeGateway, pushed: Client) -> None:
    gateway.world.slow = True
    with pytest.raises(DeadlineExceeded, match="deploy again"):
        pushed.deploy("iris", timeout=0.3)
    assert list(gateway.world.deployments) == [f"{DEPLOYMENTS}iris-v1"]
    gateway.world.deployments[f"{DEPLOYMENTS}iris-v1"].state = deployment_pb2.Deployment.STATE_ACTIVE
    assert pushed.deploy("iris").deployment.state == "ACTIVE"
    assert len(gateway.world.log("CreateDeployment")) == 1


def test_waiting_bears_an_outage(gateway: FakeGateway, pushed: Client) -> None:
    gateway.world.unavailable["WaitOperation"] = 4
    assert pushed.deploy("iris").deployment.state == "ACTIVE"


def test_not_waiting_makes_a_new_endpoint_at_once(gateway: FakeGateway, pushed: Client) -> None:
    done = pushed.deploy("iris", wait=False)
    assert (done.deployment.state, done.endpoint.state) == ("CREATING", "UNAVAILABLE")


def test_deployments_of_other_endpoints_are_left_alone(
    gateway: FakeGateway, pushed: Client, model: LogisticRegression
) -> None:
    pushed.deploy("iris")
    other = gateway.world.endpoints["projects/default/endpoints/other"] = type(gateway.world.endpoints[ENDPOINT])()
    other.CopyFrom(gateway.world.endpoints[ENDPOINT])
    other.name = "projects/default/endpoints/other"
    pushed.push("iris", model)
    assert pushed.deploy("iris").replaced == ()
    assert pushed.undeploy("iris") == ("iris-v2",)
    assert list(gateway.world.deployments) == [f"{DEPLOYMENTS}iris-v1"]


def test_undeploy_takes_leftovers_down_and_then_finds_nothing(gateway: FakeGateway, pushed: Client) -> None:
    gateway.world.slow = True
    with pytest.raises(DeadlineExceeded):
        pushed.deploy("iris", timeout=0.2)
    assert pushed.undeploy("iris") == ("iris-v1",)
    with pytest.raises(NotFound) as caught:
        pushed.undeploy("iris")
    assert caught.value.reason == "ENDPOINT_NOT_FOUND"


def test_predict_takes_arrays_and_frames(gateway: FakeGateway, client: Client) -> None:
    pandas = pytest.importorskip("pandas")
    assert client.predict("iris", np.array([[1.0, 2.0]])) == {"output": [3.0]}
    assert client.predict("iris", {"input": [np.array([1.0, 2.0])]}, method="score") == {"output": [3.0]}
    client.validate("iris", pandas.DataFrame({"input": [1, 2]}))
    assert gateway.world.calls == ["/models/iris/predict", "/models/iris/score", "/models/iris/predict:validate"]
    client.predict("iris", [[1]], project="lab")
    assert gateway.world.calls[-1] == "/projects/lab/models/iris/predict"


def test_inputs_that_do_not_fit_are_named(client: Client) -> None:
    with pytest.raises(InvalidArgument, match="/input") as caught:
        client.predict("iris", {"x": 1})
    assert caught.value.violations[0].field == "/input"
    assert client.validate("iris", {"x": 1})[0].description == "is missing; expected every required input"
    assert client.validate("iris", [[1]]) == ()
    with pytest.raises(InvalidArgument, match="JSON"):
        client.predict("iris", [[float("nan")]])


def test_logs_are_given_as_lines(pushed: Client) -> None:
    pushed.deploy("iris")
    assert [line.text for line in pushed.logs("iris")] == ["Traceback", "ValueError: broken"]
    assert [line.text for line in pushed.logs("iris", follow=True)] == ["Traceback", "ValueError: broken"]
    with pytest.raises(NotFound):
        next(pushed.logs("iris-v9"))
    with pytest.raises(NotFound):
        pushed.model("nothing")


def test_errors_are_rebuilt_with_reason_and_violations(pushed: Client) -> None:
    with pytest.raises(InvalidArgument) as caught:
        pushed.alias("iris", "latest", 1)
    assert (caught.value.reason, caught.value.metadata) == ("ALIAS_RESERVED", {"what": "x"})
    assert [(entry.field, entry.description) for entry in caught.value.violations] == [("alias", "is reserved")]
    with pytest.raises(FailedPrecondition) as refused:
        pushed.delete_model("iris")
    assert refused.value.reason == "MODEL_HAS_VERSIONS"


def test_a_token_that_was_renewed_in_the_file_is_read_again(gateway: FakeGateway, home: Path) -> None:
    file = home / "data" / "admin.token"
    file.write_text("old\n")
    (home / "data" / "platform.json").write_text(json.dumps({"url": gateway.url}))
    with Client(gateway.url) as client:
        gateway.world.accepted = "old"
        assert client.models() == []
        gateway.world.accepted = "new"
        file.write_text("new\n")
        assert client.models() == []
        file.write_text("newer\n")
        gateway.world.accepted = "newer"
        assert client.predict("iris", [[1.0]]) == {"output": [1.0]}


def test_a_token_that_was_given_is_refused_once(gateway: FakeGateway) -> None:
    with Client(gateway.url, token="wrong") as client, pytest.raises(Unauthenticated):
        client.models()
    assert len(gateway.world.calls) == 1


def test_reading_is_tried_again_and_changing_is_not(gateway: FakeGateway, pushed: Client) -> None:
    gateway.world.unavailable.update(ListModels=2, DeleteModel=1)
    assert len(pushed.models()) == 1
    with pytest.raises(Unavailable):
        pushed.delete_model("iris", force=True)


def test_nothing_at_the_address_is_said_in_one_line() -> None:
    with Client("http://127.0.0.1:9", token="t") as client:
        for call in (client.models, lambda: client.predict("iris", [[1]])):
            with pytest.raises(Unreachable, match=r"http://127\.0\.0\.1:9; is it running\? start it with `kea up`"):
                call()


def test_tokens_are_made(client: Client) -> None:
    made = client.token(ttl=600, scopes=["roles/consumer"])
    assert (made.access_token, made.scopes) == ("600:consumer", ("consumer",))
    assert "600" not in repr(made)
