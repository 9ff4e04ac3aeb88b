"""The Python client."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from google.protobuf import duration_pb2
from kea.auth.v1 import token_service_pb2, token_service_pb2_grpc

from kea_sdk import convert
from kea_sdk.access_calls import AccessCalls
from kea_sdk.access_names import role_id
from kea_sdk.account_calls import AccountCalls
from kea_sdk.audit_calls import AuditCalls
from kea_sdk.build_calls import BuildCalls
from kea_sdk.builds import Builds
from kea_sdk.deadline import Deadline
from kea_sdk.deployments import Deployments, Report
from kea_sdk.endpoint_calls import DEPLOY_SECONDS, EndpointCalls
from kea_sdk.endpoints import Endpoints
from kea_sdk.errors import FieldViolation, NotFound
from kea_sdk.gateway import Gateway
from kea_sdk.inference import Inference
from kea_sdk.limit_calls import LimitCalls
from kea_sdk.log_lines import following, merged
from kea_sdk.model_calls import ModelCalls
from kea_sdk.reference import Reference, belongs_to, checked_id
from kea_sdk.registry import Registry
from kea_sdk.resources import Deployment, LogLine, Rollout, Token
from kea_sdk.rollout import Part
from kea_sdk.running import running
from kea_sdk.settings import ClientSettings, read_settings
from kea_sdk.user_calls import UserCalls

PREDICT_SECONDS = 60.0
TAIL_LINES = 100


class Client(ModelCalls, BuildCalls, EndpointCalls, LimitCalls, AccessCalls, AccountCalls, UserCalls, AuditCalls):
    """One KEA, for one project. May be shared by threads; to be closed, or used with `with`.

    What is not given is taken from `KEA_URL`, `KEA_TOKEN`, `KEA_PROJECT`, the configuration file, and last from the
    platform that runs on this machine.

    Args:
        url: the gateway, `http://HOST:PORT` or `https://HOST`.
        token: a bearer token.
        project: the project.
        data: where this machine's platform keeps everything.

    Raises:
        SettingsError: the settings are wrong.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        project: str | None = None,
        *,
        data: str | os.PathLike[str] | None = None,
    ) -> None:
        place = Path(data).expanduser() if data is not None else None
        self.settings: ClientSettings = read_settings(url=url, token=token, project=project, data=place)
        project = checked_id(self.settings.project, "project")
        self._gateway = Gateway(self.settings)
        registry, deployments = Registry(self._gateway, project), Deployments(self._gateway, project)
        ModelCalls.__init__(self, registry, project)
        BuildCalls.__init__(self, Builds(self._gateway, project))
        EndpointCalls.__init__(self, registry, deployments, Endpoints(self._gateway, project), self.url)
        LimitCalls.__init__(self, self._gateway, project)
        AccessCalls.__init__(self, self._gateway)
        AccountCalls.__init__(self, self._gateway)
        UserCalls.__init__(self, self._gateway)
        AuditCalls.__init__(self, self._gateway)
        self._inference = Inference(self._gateway)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections."""
        self._gateway.close()

    @property
    def url(self) -> str:
        """The gateway's address."""
        return self.settings.url

    def deploy(
        self,
        reference: str,
        *,
        replicas: int | None = None,
        endpoint: str | None = None,
        pod_template: Mapping[str, Any] | None = None,
        autoscaling: Mapping[str, Any] | None = None,
        image: str | None = None,
        wait: bool = True,
        timeout: float = DEPLOY_SECONDS,
        report: Report = lambda _step: None,
    ) -> Rollout:
        """Brings a model version up, moves the endpoint to it once it serves, and takes down what it replaces.

        No request fails on the way. Where the version does not come up, what served before goes on. Of the version that
        serves already, only what is said here of how it runs is changed.

        Args:
            reference: `MODEL`, `MODEL:NUMBER` or `MODEL@ALIAS`.
            replicas: how many serve it. None: one, or as many as there are; as many as the load asks for with
                autoscaling.
            endpoint: the name callers use. None: the model's.
            pod_template: what is asked of a cluster for each replica, `kea.deployer.v1.PodTemplate` by the names of its
                fields, for example `{"resource_requests": {"cpu": "2"}}`.
            autoscaling: `kea.deployer.v1.Autoscaling`, for example `{"min_replica_count": 1, "max_replica_count": 5,
                "target_cpu_percent": 70}`.
            image: a container image of your own that serves the version, in place of one that is built.
            wait: False returns at once: a new endpoint then answers when it can, one that is there is not moved.
            timeout: seconds, for everything.
            report: told of each step.

        Raises:
            InvalidArgument: pod_template or autoscaling is not as it has to be.
            DeploymentFailed: it did not come up; `logs` tells more.
            Aborted: someone else changed the endpoint meanwhile.
            DeadlineExceeded: it took longer; deploying again waits on.
        """
        parsed = Reference.parse(reference)
        name = checked_id(endpoint or parsed.model, "endpoint's name")
        version = self._registry.version(parsed.name(self.project))
        part = Part(version, running(replicas, pod_template, autoscaling, image))
        if not wait:
            return self._rollouts(report).begin(name, part)
        return self._rollouts(report).deploy(name, [part], Deadline(timeout))

    def undeploy(self, endpoint: str, *, wait: bool = True, timeout: float = 60.0) -> tuple[str, ...]:
        """Deletes an endpoint, then its deployments; also those that never got as far as serving it.

        Returns:
            Ids of the deployments taken down.

        Raises:
            NotFound: there is neither the endpoint nor a deployment of it.
        """
        checked_id(endpoint, "endpoint's name")
        found = self._endpoints.find(endpoint)
        names = {target.deployment for target in found.targets} if found is not None else set[str]()
        names |= {entry.name for entry in self._deployments.all() if belongs_to(convert.last(entry.name), endpoint)}
        names -= self._endpoints.targeted(but=endpoint)
        if found is not None:
            self._endpoints.delete(endpoint)
        elif not names:
            problem = f"there is no endpoint {endpoint!r}"
            raise NotFound(problem, reason="ENDPOINT_NOT_FOUND", metadata={"endpoint": endpoint})
        taken = self._rollouts().take_down(sorted(names))
        if wait:
            deadline = Deadline(timeout)
            for entry in taken:
                self._deployments.wait_gone(entry, deadline)
        return taken

    def deployments(self) -> list[Deployment]:
        """Returns all deployments by name."""
        return [convert.deployment(entry) for entry in self._deployments.all()]

    def logs(self, endpoint: str, *, follow: bool = False, tail: int = TAIL_LINES) -> Iterator[LogLine]:
        """Gives the last lines of an endpoint's replicas, oldest first; with `follow` also those to come.

        Args:
            endpoint: its name, or that of a deployment.
            follow: whether to go on until the deployments are gone.
            tail: most lines of the past, for each deployment.
        """
        found = self._endpoints.find(checked_id(endpoint, "endpoint's name"))
        ids = [convert.last(target.deployment) for target in found.targets] if found is not None else [endpoint]
        streams = [self._deployments.logs(entry, tail=tail, follow=follow) for entry in ids]
        return following(streams) if follow else merged(streams)

    def predict(
        self,
        endpoint: str,
        inputs: Any,
        method: str | None = None,
        *,
        project: str | None = None,
        timeout: float = PREDICT_SECONDS,
    ) -> dict[str, Any]:
        """Calls a model and returns its outputs by name, as plain JSON values.

        Args:
            endpoint: its name.
            inputs: values by input; arrays and frames are fine. An array alone goes to the input `input`, a frame
                gives an input for each column.
            method: the method; None: `predict`.
            project: another one than the client's.
            timeout: seconds.

        Raises:
            InvalidArgument: the inputs do not fit; `violations` say where.
        """
        return self._inference.predict(self._path(endpoint, project), inputs, method, timeout)

    def validate(
        self, endpoint: str, inputs: Any, method: str | None = None, *, project: str | None = None
    ) -> tuple[FieldViolation, ...]:
        """Checks inputs against a model's signature without calling it; returns what is wrong, or nothing."""
        return self._inference.validate(self._path(endpoint, project), inputs, method, PREDICT_SECONDS)

    def docs_url(self, endpoint: str) -> str:
        """Returns the address of an endpoint's documentation."""
        return f"{self.url}{self._path(endpoint, None)}/docs"

    def token(self, ttl: float | timedelta = 3600, scopes: Iterable[str] = ()) -> Token:
        """Makes a token for the caller. It is refused once the one it was made with is revoked.

        Args:
            ttl: how long it is accepted, in seconds or as a timedelta: one minute to 24 hours.
            scopes: roles that it is limited to: of what the caller may do, it may do what one of them gives. Empty: as
                the caller's own token is.
        """
        duration = duration_pb2.Duration()
        duration.FromTimedelta(ttl if isinstance(ttl, timedelta) else timedelta(seconds=ttl))
        request = token_service_pb2.CreateTokenRequest(ttl=duration, scopes=[role_id(scope) for scope in scopes])
        stub = self._gateway.stub(token_service_pb2_grpc.TokenServiceStub)
        return convert.token(self._gateway.call(stub.CreateToken, request))

    def _path(self, endpoint: str, project: str | None) -> str:
        return convert.endpoint_url("", project or self.project, checked_id(endpoint, "endpoint's name"))
