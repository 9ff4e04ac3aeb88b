"""What the client does with endpoints that are there: looks at them, changes them, takes them back."""

from __future__ import annotations

from google.protobuf import duration_pb2
from kea.registry.v1 import model_version_pb2
from kea.router.v1 import endpoint_pb2, endpoint_revision_pb2

from kea_sdk import convert
from kea_sdk.deadline import Deadline
from kea_sdk.deployments import Deployments, Report
from kea_sdk.endpoints import Endpoints
from kea_sdk.errors import FailedPrecondition, InvalidArgument
from kea_sdk.history import again, chosen
from kea_sdk.limits import Limits
from kea_sdk.limits_convert import limits_message
from kea_sdk.reference import checked_id
from kea_sdk.registry import Registry
from kea_sdk.resources import Endpoint, Revision, Rollout
from kea_sdk.rollout import Part, Rollouts

DEPLOY_SECONDS = 600.0
LONGEST_SECONDS = 3600.0
RETRIES = {
    "unsent": endpoint_pb2.Endpoint.RETRY_UNSENT,
    "unanswered": endpoint_pb2.Endpoint.RETRY_UNANSWERED,
}


class EndpointCalls:
    """The part of the client that is about endpoints.

    Args:
        registry: the registry's calls.
        deployments: the deployer's calls.
        endpoints: the router's calls.
        url: the gateway, for addresses.
    """

    def __init__(self, registry: Registry, deployments: Deployments, endpoints: Endpoints, url: str) -> None:
        self._registry = registry
        self._deployments = deployments
        self._endpoints = endpoints
        self._gateway_url = url

    def endpoints(self) -> list[Endpoint]:
        """Returns all endpoints by name."""
        return [convert.endpoint(entry, self._gateway_url) for entry in self._endpoints.all()]

    def endpoint(self, name: str) -> Endpoint:
        """Returns an endpoint."""
        return convert.endpoint(self._endpoints.get(checked_id(name, "endpoint's name")), self._gateway_url)

    def update_endpoint(
        self,
        name: str,
        *,
        timeout_seconds: float | None = None,
        retry: str | None = None,
        limits: Limits | None = None,
        etag: str = "",
    ) -> Endpoint:
        """Changes an endpoint; what is None is left as it is.

        Args:
            name: the endpoint's.
            timeout_seconds: longest time of a request, 0.001 to 3600; 0 for the default, 60 s.
            retry: which requests that failed on the way go to another replica. `unsent`: those of which no replica has
                seen anything. `unanswered`: also those that a replica had in hand when it ended; the method may then
                run twice.
            limits: what it takes at most, all of it: what is not set is not limited. Each gateway counts by itself.
            etag: that of the endpoint as it was read. Empty: whatever it is.

        Raises:
            Aborted: it has changed since it was read.
            InvalidArgument: nothing is to be changed, or a value is out of its range.
            NotFound: there is no such endpoint.
            FailedPrecondition: a custom resource manages it.
        """
        wanted, paths = endpoint_pb2.Endpoint(etag=etag), list[str]()
        if timeout_seconds is not None:
            paths.append("timeout")
            wanted.timeout.CopyFrom(_duration(timeout_seconds))
        if retry is not None:
            if retry not in RETRIES:
                problem = f"retry is {retry!r}; expected {' or '.join(RETRIES)}"
                raise InvalidArgument(problem)
            paths.append("retry")
            wanted.retry = RETRIES[retry]
        if limits is not None:
            paths.append("limits")
            wanted.limits.CopyFrom(limits_message(limits))
        if not paths:
            problem = "nothing is to be changed; expected a timeout, what is retried or limits"
            raise InvalidArgument(problem)
        changed = self._endpoints.change(checked_id(name, "endpoint's name"), wanted, paths)
        return convert.endpoint(changed, self._gateway_url)

    def revisions(self, endpoint: str) -> list[Revision]:
        """Returns what an endpoint has served, newest first.

        Raises:
            NotFound: there is no such endpoint.
        """
        found = self._endpoints.revisions(checked_id(endpoint, "endpoint's name"))
        return [convert.revision(entry) for entry in found]

    def rollback(
        self,
        endpoint: str,
        *,
        to: int | None = None,
        timeout: float = DEPLOY_SECONDS,
        report: Report = lambda _step: None,
    ) -> Rollout:
        """Has an endpoint serve again what it served before: the same versions, in the same way and shares.

        As with a deploy, what serves now does so until the other is up, and no request fails on the way. It runs on as
        many replicas as what serves now: the load is today's. What is rolled back to becomes the newest revision.

        Args:
            endpoint: its name.
            to: number of the revision. None: the one before.
            timeout: seconds, for everything.
            report: told of each step.

        Raises:
            NotFound: there is no such endpoint or revision, or a version of it has been deleted.
            FailedPrecondition: a version has been deleted and pushed anew since; or a custom resource manages the
                endpoint.
            DeploymentFailed: it did not come up; what serves goes on.
            Aborted: someone else changed the endpoint meanwhile.
            DeadlineExceeded: it took longer; rolling back to the same number again waits on.
        """
        deadline = Deadline(timeout)
        now = self._endpoints.get(checked_id(endpoint, "endpoint's name"))
        found = [self._deployments.find(convert.last(target.deployment)) for target in now.targets]
        deployments = {entry.name: entry for entry in found if entry is not None}
        revision = chosen(self._endpoints.revisions(endpoint), to, now, deployments)
        main = deployments.get(max(now.targets, key=lambda target: target.weight).deployment)
        report(f"going back to revision {revision.number}")
        parts = [
            Part(self._unchanged(part.model_version, revision), again(part, main), part.weight)
            for part in revision.targets
        ]
        return self._rollouts(report).deploy(endpoint, parts, deadline)

    def _unchanged(self, name: str, revision: endpoint_revision_pb2.EndpointRevision) -> model_version_pb2.ModelVersion:
        """Returns the version that a revision served."""
        version = self._registry.version(name)
        if version.create_time.ToNanoseconds() > revision.create_time.ToNanoseconds():
            shown = f"{name.split('/')[3]}:{version.number}"
            problem = f"{shown} has been pushed anew since revision {revision.number} served; deploy it if it is meant"
            raise FailedPrecondition(problem, reason="VERSION_REPLACED", metadata={"version": name})
        return version

    def _rollouts(self, report: Report = lambda _step: None) -> Rollouts:
        return Rollouts(self._deployments, self._endpoints, self._gateway_url, report)


def _duration(seconds: float) -> duration_pb2.Duration:
    if not 0 <= seconds <= LONGEST_SECONDS:  # also where it is no number; the router knows the rest
        problem = f"timeout is {seconds:g} s; expected up to {LONGEST_SECONDS:g} s"
        raise InvalidArgument(problem, reason="TIMEOUT_INVALID")
    made = duration_pb2.Duration()
    made.FromNanoseconds(round(seconds * 1e9))
    return made
