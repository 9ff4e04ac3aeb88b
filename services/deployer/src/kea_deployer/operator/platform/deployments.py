"""Deployments, in the deployer."""

from __future__ import annotations

from collections.abc import Sequence

import grpc
from google.protobuf import field_mask_pb2
from kea.deployer.v1 import deployment_pb2, deployment_service_pb2, deployment_service_pb2_grpc

from kea_deployer.operator.platform.calls import called, found

Deployment = deployment_pb2.Deployment


class Deployments:
    """The deployer's calls. What they begin goes on by itself; the watch tells how."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._stub = deployment_service_pb2_grpc.DeploymentServiceStub(channel)

    async def find(self, name: str) -> Deployment | None:
        """Returns a deployment, or None.

        Raises:
            Problem: the deployer does not say.
        """
        return await found(name, self._stub.GetDeployment(deployment_service_pb2.GetDeploymentRequest(name=name)))

    async def create(self, name: str, deployment: Deployment) -> None:
        """Begins to bring a deployment up.

        Raises:
            Problem: the deployer refuses, or does not answer.
        """
        parent, _, identifier = name.partition("/deployments/")
        request = deployment_service_pb2.CreateDeploymentRequest(
            parent=parent, deployment_id=identifier, deployment=deployment
        )
        await called(name, self._stub.CreateDeployment(request))

    async def update(self, deployment: Deployment, paths: Sequence[str]) -> None:
        """Begins to change parts of a deployment.

        Raises:
            Problem: the deployer refuses, or does not answer.
        """
        mask = field_mask_pb2.FieldMask(paths=paths)
        request = deployment_service_pb2.UpdateDeploymentRequest(deployment=deployment, update_mask=mask)
        await called(deployment.name, self._stub.UpdateDeployment(request))

    async def delete(self, name: str) -> None:
        """Begins to take a deployment down; one that is gone is as good.

        Raises:
            Problem: the deployer refuses, or does not answer.
        """
        await found(name, self._stub.DeleteDeployment(deployment_service_pb2.DeleteDeploymentRequest(name=name)))
