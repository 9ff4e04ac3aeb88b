"""Deployments over the API, with real model servers."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import grpc
from google.protobuf import empty_pb2
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2
from kea_core import status
from kea_core.operations import (
    CancelOperationRequest,
    DeleteOperationRequest,
    GetOperationRequest,
    ListOperationsRequest,
)

State = deployment_pb2.Deployment
WatchRequest = deployment_service_pb2.WatchDeploymentsRequest


def unpacked(operation: Any, message: Any) -> Any:
    assert operation.response.Unpack(message), operation
    return message


async def test_a_model_version_becomes_a_model_server_that_answers(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        begun = await deployer.create(version="latest")
        metadata = deployment_pb2.DeploymentOperationMetadata()
        assert begun.metadata.Unpack(metadata)
        assert (metadata.deployment, metadata.verb) == (helpers.NAME, "create")
        ended = await deployer.ended(begun)
        assert unpacked(ended, deployment_pb2.Deployment()).state == State.STATE_ACTIVE
        found = await deployer.until(lambda found: not found.reconciling)
        assert found.model_version == f"{helpers.MODEL}/versions/1"
        assert [status for status, _, _ in helpers.conditions_of(found).values()] == [1, 1, 1]
        (replica,) = found.replicas
        assert await helpers.call(replica, "echo", text="hello") == {"result": "hello"}


async def test_operations_can_be_read_listed_and_forgotten(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        begun = await deployer.create()
        unfinished = DeleteOperationRequest(name=begun.name)
        assert await helpers.refused(deployer.operations.DeleteOperation(unfinished)) == (
            grpc.StatusCode.FAILED_PRECONDITION,
            "OPERATION_NOT_DONE",
        )
        deployer.registry.sending.set()
        create = await deployer.ended(begun)
        update = await deployer.ended(await deployer.scale(1))
        read = await deployer.operations.GetOperation(GetOperationRequest(name=create.name))
        assert read.done
        first = await deployer.operations.ListOperations(ListOperationsRequest(name=helpers.PROJECT, page_size=1))
        second = await deployer.operations.ListOperations(
            ListOperationsRequest(name=helpers.PROJECT, page_size=1, page_token=first.next_page_token)
        )
        names = [operation.name for page in (first, second) for operation in page.operations]
        assert names == sorted([create.name, update.name])
        assert not second.next_page_token
        cancel = deployer.operations.CancelOperation(CancelOperationRequest(name=create.name))
        assert await helpers.refused(cancel) == (grpc.StatusCode.UNIMPLEMENTED, "OPERATION_CANCEL_UNSUPPORTED")
        await deployer.operations.DeleteOperation(DeleteOperationRequest(name=create.name))
        for name in (create.name, "projects/default/operations/nonsense", "nonsense"):
            gone = deployer.operations.GetOperation(GetOperationRequest(name=name))
            assert await helpers.refused(gone) == (grpc.StatusCode.NOT_FOUND, "OPERATION_NOT_FOUND")
        for request, reason in (
            (ListOperationsRequest(name="operations"), "OPERATION_PARENT_INVALID"),
            (ListOperationsRequest(name=helpers.PROJECT, filter="done"), "OPERATION_FILTER_UNSUPPORTED"),
            (ListOperationsRequest(name=helpers.PROJECT, page_token="x"), "PAGE_TOKEN_INVALID"),
        ):
            listing = deployer.operations.ListOperations(request)
            assert await helpers.refused(listing) == (grpc.StatusCode.INVALID_ARGUMENT, reason)


async def test_the_same_request_again_begins_nothing_new(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        request_id = str(uuid.uuid4())
        both = await asyncio.gather(*(deployer.create(request_id=request_id) for _ in range(2)))
        assert both[0].name == both[1].name
        other = deployer.create(request_id=request_id, replicas=2)
        assert await helpers.refused(other) == (grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED")
        taken = deployer.create()
        assert await helpers.refused(taken) == (grpc.StatusCode.ALREADY_EXISTS, "DEPLOYMENT_EXISTS")
        await deployer.ended(await deployer.delete())
        again = await deployer.create(request_id=request_id)
        assert again.name == both[0].name, "the first answer, though the deployment is gone"
        assert again.error.message == f"{helpers.NAME} was deleted meanwhile"
        await deployer.operations.DeleteOperation(DeleteOperationRequest(name=again.name))
        forgotten = deployer.create(request_id=request_id)
        assert await helpers.refused(forgotten) == (grpc.StatusCode.NOT_FOUND, "OPERATION_NOT_FOUND")


async def test_validation_alone_checks_everything_and_makes_nothing(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        unknown = deployer.create(validate_only=True)
        assert await helpers.refused(unknown) == (grpc.StatusCode.NOT_FOUND, "MODEL_VERSION_NOT_FOUND")
        deployer.registry.put()
        checked = await deployer.create(validate_only=True, replicas=3)
        assert (checked.name, checked.done) == ("", True)
        assert unpacked(checked, deployment_pb2.Deployment()).replica_count == 3
        assert await helpers.refused(deployer.get()) == (grpc.StatusCode.NOT_FOUND, "DEPLOYMENT_NOT_FOUND")
        deployer.registry.put(2, framework=77)
        newer = deployer.create(version="2")
        assert await helpers.refused(newer) == (grpc.StatusCode.FAILED_PRECONDITION, "MODEL_VERSION_UNUSABLE")
        elsewhere = deployer.create("projects/other/deployments/echo")
        assert await helpers.refused(elsewhere) == (grpc.StatusCode.INVALID_ARGUMENT, "MODEL_PROJECT_MISMATCH")
        many = deployer.create(replicas=65)
        assert await helpers.refused(many) == (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")


async def test_replicas_come_and_go_with_their_number_and_a_stale_etag_is_refused(
    start_deployer: Any, helpers: Any
) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        before = await deployer.created()
        grown = await deployer.ended(await deployer.scale(3, etag=before.etag))
        replicas = unpacked(grown, deployment_pb2.Deployment()).replicas
        assert [replica.state for replica in replicas] == [deployment_pb2.Replica.STATE_READY] * 3
        assert replicas[0] == before.replicas[0], "the first goes on"
        stale = deployer.scale(2, etag=before.etag)
        assert await helpers.refused(stale) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        assert await helpers.refused(deployer.delete(etag=before.etag)) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
        shrunk = await deployer.ended(await deployer.scale(1))
        assert [replica.id for replica in unpacked(shrunk, deployment_pb2.Deployment()).replicas] == [replicas[0].id]
        assert await helpers.call(replicas[0], "echo", text="still here") == {"result": "still here"}
        same = await deployer.scale(1)
        assert same.done


async def test_a_deletion_lets_calls_end_and_takes_everything_away(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        (replica,) = (await deployer.created()).replicas
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(helpers.call(replica, "slow", seconds=1.0))
            await said(deployer, helpers.NAME, "slow")
            begun = await deployer.delete()
            again = await deployer.delete()
            assert again.name == begun.name
            refused = deployer.scale(2)
            assert await helpers.refused(refused) == (grpc.StatusCode.FAILED_PRECONDITION, "DEPLOYMENT_DELETING")
            unpacked(await deployer.ended(begun), empty_pb2.Empty())
            assert calling.done(), "the deployment is gone only when its calls have ended"
            assert await calling == {"result": 1.0}
        assert await helpers.refused(deployer.get()) == (grpc.StatusCode.NOT_FOUND, "DEPLOYMENT_NOT_FOUND")
        await helpers.eventually(lambda: not list(deployer.settings.socket_directory.iterdir()))
        data = deployer.settings.data_directory
        await helpers.eventually(lambda: not [*(data / "run").iterdir(), *(data / "logs").iterdir()])


async def said(deployer: Any, name: str, text: str) -> None:
    """Returns when a replica has written a line."""
    request = deployment_service_pb2.StreamDeploymentLogsRequest(name=name, follow=True)
    stream = deployer.deployments.StreamDeploymentLogs(request)
    async for message in stream:
        if text in [entry.text for entry in message.entries]:
            stream.cancel()
            return


async def test_a_deletion_while_it_is_prepared_ends_that_too(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        begun = await deployer.create()
        await deployer.registry.begun.wait()
        await deployer.ended(await deployer.delete())
        ended = await deployer.ended(begun)
        assert ended.error.code == status.number_of(grpc.StatusCode.FAILED_PRECONDITION)
        artifacts = deployer.settings.data_directory / "artifacts"
        await helpers.eventually(lambda: not list(artifacts.iterdir()))
        deployer.registry.sending.set()
        await deployer.created()  # the name is free again


async def test_deployments_are_listed_by_name_in_pages(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()  # nothing need start
        names = [f"{helpers.PROJECT}/deployments/{short}" for short in ("b", "c", "a")]
        for name in names:
            await deployer.create(name)
        found: list[str] = []
        token = ""
        for size in (2, 1):
            request = deployment_service_pb2.ListDeploymentsRequest(
                parent=helpers.PROJECT, page_size=2, page_token=token
            )
            page = await deployer.deployments.ListDeployments(request)
            assert len(page.deployments) == size
            found += [deployment.name for deployment in page.deployments]
            token = page.next_page_token
        assert (found, token) == (sorted(names), "")
        deployer.registry.sending.set()


async def test_a_watch_tells_changes_and_resumes_where_it_was(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        deployer.registry.sending.clear()
        watch = deployer.deployments.WatchDeployments(WatchRequest())
        empty = await watch.read()
        assert empty.WhichOneof("change") is None
        await deployer.create()
        created = await watch.read()
        assert created.upserted.state == State.STATE_CREATING
        watch.cancel()
        await deployer.ended(await deployer.delete())
        resumed = deployer.deployments.WatchDeployments(WatchRequest(since_revision=created.revision))
        assert (await resumed.read()).deleted == helpers.NAME
        resumed.cancel()
        deployer.registry.sending.set()


async def test_what_only_a_cluster_can_give_is_refused_on_one_machine(start_deployer: Any, helpers: Any) -> None:
    async with start_deployer() as deployer:
        deployer.registry.put()
        template: dict[str, Any] = {"pod_template": {"resource_limits": {"nvidia.com/gpu": "1"}}}
        scaling: dict[str, Any] = {
            "autoscaling": {"min_replica_count": 1, "max_replica_count": 2, "target_cpu_percent": 50}
        }
        refusal = (grpc.StatusCode.FAILED_PRECONDITION, "NOT_ON_THIS_PLATFORM")
        for wanted in (template, scaling):
            assert await helpers.refused(deployer.create(wanted=wanted)) == refusal
        await deployer.created()
        for wanted in (template, scaling):
            change = deployment_pb2.Deployment(name=helpers.NAME, **wanted)
            assert await helpers.refused(deployer.update(change)) == refusal
        wrong = {"pod_template": {"resource_limits": {"memory": "much"}}}
        out_of_bounds = (grpc.StatusCode.INVALID_ARGUMENT, "FIELD_OUT_OF_BOUNDS")
        assert await helpers.refused(deployer.create(f"{helpers.NAME}-2", wanted=wrong)) == out_of_bounds
        nothing = await deployer.ended(await deployer.update(deployment_pb2.Deployment(name=helpers.NAME)))
        assert unpacked(nothing, deployment_pb2.Deployment()).replica_count == 1


async def test_what_a_custom_resource_manages_is_the_operators_alone(
    start_deployer: Any, helpers: Any, connect_as: Any
) -> None:
    managed = {"managed_by": "team-a/echo"}
    async with start_deployer() as deployer, connect_as(deployer, "serviceAccounts/operator") as operator:
        deployer.registry.put()
        assert await helpers.refused(deployer.create(wanted=managed)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "MANAGED_BY_RESERVED",
        )
        await deployer.created(f"{helpers.NAME}-2")
        await operator.ended(await operator.create(wanted=managed))
        assert (await deployer.get()).managed_by == "team-a/echo"
        for change in (deployer.scale(2), deployer.delete()):
            assert await helpers.refused(change) == (grpc.StatusCode.FAILED_PRECONDITION, "MANAGED_BY_RESOURCE")
        theirs = f"{helpers.NAME}-2"
        for change in (operator.scale(2, theirs), operator.delete(theirs)):
            assert await helpers.refused(change) == (grpc.StatusCode.FAILED_PRECONDITION, "NOT_MANAGED")
        await operator.ended(await operator.scale(2))
        await operator.delete()
        await deployer.gone()
