"""What may be done with deployments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from kea_core.clock import Clock
from kea_core.errors import EtagMismatch
from kea_core.managed import check_change, check_making
from kea_core.pages import Page
from kea_core.resource_name import parse_name

from kea_deployer.domain.deployment import DEFAULT_REPLICAS, Deployment, State, Status
from kea_deployer.domain.errors import DeploymentDeleting, DeploymentNotFound, ModelProjectMismatch, OperationNotFound
from kea_deployer.domain.operation import Operation, Verb, advanced
from kea_deployer.domain.ports import DeploymentStore, DeploymentTransaction, ModelVersions
from kea_deployer.domain.wanted import Wanted


class Deployments:
    """The use cases; each is one transaction. They write what is wanted; `wake` tells whoever makes it so.

    Args:
        store: where deployments are kept.
        models: the registry.
        check: raises where the platform cannot do what is wanted.
        wake: told of each that is to be looked at.
        clock: tells the time.
    """

    def __init__(
        self,
        store: DeploymentStore,
        models: ModelVersions,
        *,
        check: Callable[[Deployment], None],
        wake: Callable[[str], None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._models = models
        self._check = check
        self._wake = wake
        self._clock = clock

    async def create(
        self,
        name: str,
        model_version: str,
        wanted: Wanted,
        *,
        managed_by: str,
        prebuilt_image: str,
        validate_only: bool,
        request_id: str,
        digest: str,
    ) -> tuple[Operation, Deployment | None]:
        """Begins to bring a model version up; the same request again gives the same operation.

        Raises:
            OperationNotFound: the same request began one that has been deleted.
            DeploymentExists: the name is taken.
            ModelProjectMismatch: the model is of another project.
            FieldOutOfBounds: see `Wanted.applied_to`; the platform checks more.
            ManagedByReserved: it is not the caller's to say who manages it.
        """
        check_making(managed_by)
        async with self._store.reading() as transaction:
            before = await _repeated(transaction, request_id, digest)
        if before is not None:
            return before
        project, _ = parse_name(name, "projects", "deployments")
        if parse_name(model_version, "projects", "models", "versions")[0] != project:
            raise ModelProjectMismatch(model_version, project)
        model = await self._models.get(model_version)
        now = self._clock()
        deployment = Deployment(
            name=name,
            model=model,
            replica_count=DEFAULT_REPLICAS,
            wanted_revision=0,
            status=Status(),
            create_time=now,
            update_time=now,
            managed_by=managed_by,
            prebuilt_image=prebuilt_image,
        )
        deployment = wanted.applied_to(deployment, ())
        self._check(deployment)
        operation = Operation.begin(name, Verb.CREATE, now)
        async with self._store.transaction(commit=not validate_only) as transaction:
            # Again, now that writers wait: the same request may have run between the two transactions.
            before = await _repeated(transaction, request_id, digest)
            if before is not None:
                return before
            made = await transaction.add(deployment)
            await transaction.put_operation(operation)
            await transaction.remember(request_id, digest, operation.name)
        return self._begun(operation, made, validate_only=validate_only)

    async def get(self, name: str) -> Deployment:
        """Returns a deployment.

        Raises:
            DeploymentNotFound: there is none.
        """
        async with self._store.reading() as transaction:
            return await _found(transaction, name)

    async def find(self, name: str) -> Deployment | None:
        """Returns a deployment, or None."""
        async with self._store.reading() as transaction:
            return await transaction.get(name)

    async def list(self, project: str, page: Page) -> tuple[Sequence[Deployment], bool]:
        """Returns a page of a project's deployments, and whether more follow."""
        async with self._store.reading() as transaction:
            found = await transaction.page(project, page)
        return found[: page.size], len(found) > page.size

    async def update(
        self,
        name: str,
        wanted: Wanted,
        paths: Sequence[str],
        *,
        etag: str,
        validate_only: bool,
        request_id: str,
        digest: str,
    ) -> tuple[Operation, Deployment | None]:
        """Changes how many replicas there are, and how they run; what has failed is tried again.

        Raises:
            DeploymentNotFound: there is none.
            DeploymentDeleting: it is being taken down.
            EtagMismatch: it has changed since the caller read it.
            UpdateMaskInvalid: a path cannot be changed.
            FieldOutOfBounds: see `Wanted.applied_to`; the platform checks more.
            ManagedByResource, NotManaged: it is not the caller's to change.
        """
        now = self._clock()
        operation = Operation.begin(name, Verb.UPDATE, now)
        async with self._store.transaction(commit=not validate_only) as transaction:
            before = await _repeated(transaction, request_id, digest)
            if before is not None:
                return before
            deployment = await _found(transaction, name)
            check_change(name, deployment.managed_by)
            _match(deployment, etag)
            if deployment.deleting:
                raise DeploymentDeleting(name)
            status = replace(deployment.status, reconciling=True)
            if status.state is State.FAILED:
                # Its replicas are those that failed: what is tried again begins from nothing.
                status = Status()
            changed = wanted.applied_to(deployment, paths)
            self._check(changed)
            if changed == deployment and status.state is deployment.status.state and status.problem is None:
                operation = advanced(operation, deployment, now)
            else:
                changed = await transaction.replace(replace(changed, status=status, update_time=now), wanted=True)
            await transaction.put_operation(operation)
            await transaction.remember(request_id, digest, operation.name)
        return self._begun(operation, changed, validate_only=validate_only)

    async def delete(self, name: str, *, etag: str, validate_only: bool) -> tuple[Operation, Deployment]:
        """Begins to take a deployment down; where that is under way, gives its operation.

        Raises:
            DeploymentNotFound: there is none.
            EtagMismatch: it has changed since the caller read it.
            ManagedByResource, NotManaged: it is not the caller's to delete.
        """
        now = self._clock()
        operation = Operation.begin(name, Verb.DELETE, now)
        async with self._store.transaction(commit=not validate_only) as transaction:
            deployment = await _found(transaction, name)
            check_change(name, deployment.managed_by)
            _match(deployment, etag)
            for other in await transaction.unfinished(name):
                if other.verb is Verb.DELETE:
                    return other, deployment
            status = replace(deployment.status, state=State.DELETING, reconciling=True)
            changed = await transaction.replace(replace(deployment, status=status, update_time=now), wanted=True)
            for other in await transaction.unfinished(name):
                await transaction.put_operation(advanced(other, changed, now))
            await transaction.put_operation(operation)
        return self._begun(operation, changed, validate_only=validate_only)

    def _begun(
        self, operation: Operation, deployment: Deployment, *, validate_only: bool
    ) -> tuple[Operation, Deployment]:
        if validate_only:
            return replace(operation, name="", done=True), deployment
        self._wake(deployment.name)
        return operation, deployment


async def _repeated(
    transaction: DeploymentTransaction, request_id: str, digest: str
) -> tuple[Operation, Deployment | None] | None:
    """Returns what the same request began before, or None; its deployment may be gone."""
    name = await transaction.result(request_id, digest)
    if name is None:
        return None
    operation = await transaction.operation(name)
    if operation is None:
        raise OperationNotFound(name)
    return operation, await transaction.get(operation.deployment)


async def _found(transaction: DeploymentTransaction, name: str) -> Deployment:
    deployment = await transaction.get(name)
    if deployment is None:
        raise DeploymentNotFound(name)
    return deployment


def _match(deployment: Deployment, etag: str) -> None:
    if etag and etag != deployment.etag:
        raise EtagMismatch(deployment.name)
