"""Make before break: a model version takes an endpoint over once it serves, and what it replaces goes afterwards."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from google.protobuf import timestamp_pb2
from kea.deployer.v1 import deployment_pb2
from kea.registry.v1 import model_version_pb2
from kea.router.v1 import endpoint_pb2
from kea_core.operations import Operation

from kea_sdk import convert
from kea_sdk.deadline import Deadline, patiently
from kea_sdk.deployments import Deployments, Report, State
from kea_sdk.endpoints import WHOLE, Endpoints
from kea_sdk.errors import DeadlineExceeded, DeploymentFailed, KeaClientError, Unavailable
from kea_sdk.reference import deployment_id
from kea_sdk.resources import Rollout
from kea_sdk.running import differing

LOG_LINES = 30
"""Last lines kept of a deployment that failed: it is deleted, and they with it."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of what an endpoint shall serve."""

    version: model_version_pb2.ModelVersion
    wanted: deployment_pb2.Deployment
    """How it shall run; what is not set is left as it is."""
    weight: int = WHOLE
    """Share of the requests, in basis points."""


class Rollouts:
    """Brings versions up and moves endpoints to them.

    Args:
        deployments: the deployer's calls.
        endpoints: the router's calls.
        url: the gateway, for addresses.
        report: told of each step.
    """

    def __init__(self, deployments: Deployments, endpoints: Endpoints, url: str, report: Report) -> None:
        self._deployments = deployments
        self._endpoints = endpoints
        self._url = url
        self._report = report

    def deploy(self, endpoint: str, parts: Sequence[Part], deadline: Deadline) -> Rollout:
        """Deploys, and returns once all requests of the endpoint go to the parts, by their shares.

        The endpoint's etag is that of the beginning, so whoever changed it meanwhile is not overruled.

        Raises:
            DeploymentFailed: one did not come up; what served before goes on, and nothing new is left.
            Aborted: the endpoint was changed by someone else meanwhile.
            DeadlineExceeded: it took too long; it goes on coming up, and the same call again waits on.
            FailedPrecondition: a custom resource manages the endpoint.
        """
        before = self._endpoints.find(endpoint)
        if before is not None:  # whoever may not move it learns that before anything is brought up
            self._endpoints.aim(before, before.targets, validate_only=True)
        names: list[str] = []
        begun: list[str] = []
        try:
            for part in parts:
                names.append(self._bring_up(part, endpoint, before, names, begun, deadline))
            targets = [self._endpoints.target(name, part.weight) for name, part in zip(names, parts, strict=True)]
            moved = self._move(before, endpoint, targets, deadline)
        except DeadlineExceeded as error:
            problem = f"{error}; it goes on coming up: deploy again to wait on, or undeploy"
            raise DeadlineExceeded(problem, reason=error.reason) from error
        except Unavailable:  # nothing is known of how far it is: deploying again goes on with it
            raise
        except KeaClientError:
            for name in begun:  # what was there before is never taken down here, what was made here always
                with contextlib.suppress(KeaClientError):
                    self._deployments.delete(name)
            raise
        replaced = self._retire(before, endpoint, targets)
        main = max(targets, key=lambda target: target.weight)
        return Rollout(
            endpoint=convert.endpoint(moved, self._url),
            deployment=convert.deployment(self._deployments.get(convert.last(main.deployment))),
            replaced=replaced,
        )

    def begin(self, endpoint: str, part: Part) -> Rollout:
        """Begins to bring a version up and does not wait. A new endpoint is made at once; one there is stays."""
        before = self._endpoints.find(endpoint)
        version, wanted = part.version, part.wanted
        name, found = self._place(part, endpoint, before, ())
        if found is None:
            self._deployments.create(name, version.name, wanted)
        elif changed := differing(found, wanted):
            self._deployments.update(found, wanted, changed)
        if before is None:
            before = self._endpoints.create(endpoint, [self._endpoints.target(name)])
        return Rollout(
            endpoint=convert.endpoint(before, self._url),
            deployment=convert.deployment(self._deployments.get(name)),
            replaced=(),
        )

    def _bring_up(
        self,
        part: Part,
        endpoint: str,
        before: endpoint_pb2.Endpoint | None,
        others: Sequence[str],
        begun: list[str],
        deadline: Deadline,
    ) -> str:
        """Returns the id of a deployment once it serves as a part wants it; `begun` gets those that are new."""
        name, found = self._place(part, endpoint, before, others)
        if found is not None:
            self._resume(found, part.wanted, deadline)
            return name
        self._report(f"bringing {name} up")
        operation = self._deployments.create(name, part.version.name, part.wanted)
        begun.append(name)
        self._await_created(operation, name, deadline)
        return name

    def _place(
        self, part: Part, endpoint: str, before: endpoint_pb2.Endpoint | None, others: Sequence[str]
    ) -> tuple[str, deployment_pb2.Deployment | None]:
        """Returns the deployment's id and the one to go on with, if this version is there already.

        An id may be taken by something else: another model's version at the same endpoint, or a model that was deleted
        and pushed anew under the same name, or another image of the version, or another part of the same rollout. One
        that failed, or is on its way out, is not gone on with either.
        """
        version, image = part.version, part.wanted.prebuilt_image
        targeted = {target.deployment for target in before.targets} if before is not None else set[str]()
        attempt = 1
        while True:
            name = deployment_id(endpoint, version.number, attempt)
            attempt += 1
            if name in others:
                continue
            found = self._deployments.find(name)
            if found is None:
                return name, None
            same = found.model_version == version.name and _time(found.create_time) >= _time(version.create_time)
            if same and found.prebuilt_image == image and found.state not in {State.STATE_FAILED, State.STATE_DELETING}:
                return name, found
            if found.state == State.STATE_FAILED and found.name not in targeted:
                self._deployments.delete(name)

    def _await_created(self, begun: Operation, name: str, deadline: Deadline) -> None:
        try:
            self._deployments.wait(begun, deadline, f"bringing {name} up", self._report)
        except (DeadlineExceeded, Unavailable):
            raise
        except KeaClientError as error:
            raise self._failure(name, error) from error
        self._await_active(name, deadline)

    def _resume(self, found: deployment_pb2.Deployment, wanted: deployment_pb2.Deployment, deadline: Deadline) -> None:
        name = convert.last(found.name)
        if changed := differing(found, wanted):
            what = f"changing {name}'s {', '.join(field.replace('_', ' ') for field in changed)}"
            self._report(what)
            self._deployments.wait(self._deployments.update(found, wanted, changed), deadline, what, self._report)
        self._await_active(name, deadline)

    def _await_active(self, name: str, deadline: Deadline) -> None:
        def look() -> bool:
            found = self._deployments.find(name)
            if found is None or found.state in {State.STATE_FAILED, State.STATE_DELETING}:
                raise self._failure(name, None)
            return found.state in {State.STATE_ACTIVE, State.STATE_IDLE}

        patiently(look, deadline, f"bringing {name} up")

    def _move(
        self,
        before: endpoint_pb2.Endpoint | None,
        endpoint: str,
        targets: Sequence[endpoint_pb2.Target],
        deadline: Deadline,
    ) -> endpoint_pb2.Endpoint:
        """Sends all requests to the targets and waits until the gateway does so."""
        names = [convert.last(target.deployment) for target in targets]
        if before is None:
            self._report(f"publishing endpoint {endpoint}")
            now = self._endpoints.create(endpoint, targets)
        elif list(before.targets) == list(targets):
            now = before
        else:
            self._report(f"moving endpoint {endpoint} to {', '.join(names)}")
            now = self._endpoints.aim(before, targets)
        try:
            return self._await_published(endpoint, names, now, deadline)
        except DeploymentFailed:
            with contextlib.suppress(KeaClientError):  # whoever has changed the endpoint meanwhile knows better
                if before is None:
                    self._endpoints.delete(endpoint)
                elif now is not before:
                    self._endpoints.aim(now, before.targets)
            raise

    def _await_published(
        self, endpoint: str, names: Sequence[str], now: endpoint_pb2.Endpoint, deadline: Deadline
    ) -> endpoint_pb2.Endpoint:
        seen = now

        def look() -> bool:
            nonlocal seen
            seen = self._endpoints.get(endpoint)
            if seen.state == endpoint_pb2.Endpoint.STATE_ACTIVE and not seen.reconciling:
                return True
            idle = True
            for name in names:
                found = self._deployments.find(name)
                if found is None or found.state == State.STATE_FAILED:
                    raise self._failure(name, None)
                idle = idle and found.state == State.STATE_IDLE
            return idle and not seen.reconciling

        patiently(look, deadline, f"publishing endpoint {endpoint}")
        return seen

    def _retire(
        self, before: endpoint_pb2.Endpoint | None, endpoint: str, targets: Sequence[endpoint_pb2.Target]
    ) -> tuple[str, ...]:
        """Takes down what the endpoint sent requests to before, where no other endpoint still does."""
        old = {target.deployment for target in before.targets} if before is not None else set[str]()
        old -= {target.deployment for target in targets}
        if old:
            old -= self._endpoints.targeted(but=endpoint)
        return self.take_down(sorted(old))

    def take_down(self, names: Sequence[str]) -> tuple[str, ...]:
        """Begins to take deployments down, by resource name; returns the ids of those that were there."""
        ids = [convert.last(entry) for entry in names]
        return tuple(entry for entry in ids if self._deployments.delete(entry) is not None)

    def _failure(self, name: str, error: KeaClientError | None) -> DeploymentFailed:
        """Returns why a deployment did not come up, with its last lines, which go when it is deleted."""
        try:
            lines = [line.text for line in self._deployments.logs(name, tail=LOG_LINES, follow=False)]
            found = self._deployments.find(name)
        except KeaClientError:  # the reason matters more than its illustration
            lines, found = [], None
        cause = convert.deployment(found).problem if found is not None else None
        if error is not None:
            text, reason = str(error), error.reason
        elif cause is not None:
            text, reason = cause.message or cause.type, cause.reason
        else:
            text, reason = "it is gone", ""
        return DeploymentFailed(f"{name} did not come up: {text}", reason=reason, logs=lines)


def _time(stamp: timestamp_pb2.Timestamp) -> tuple[int, int]:
    return stamp.seconds, stamp.nanos
