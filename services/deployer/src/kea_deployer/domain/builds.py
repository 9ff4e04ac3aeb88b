"""What may be done with builds."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from kea_core.clock import Clock
from kea_core.pages import Page
from kea_core.resource_name import parse_name

from kea_deployer.domain.build import Build, BuildState
from kea_deployer.domain.build_errors import (
    BuildEnded,
    BuildNotEnded,
    BuildNotFound,
    BuildProjectMismatch,
    BuildQueueFull,
)
from kea_deployer.domain.build_ports import BuildStore, BuildTransaction, Workshop
from kea_deployer.domain.build_queue import MAX_QUEUED
from kea_deployer.domain.errors import OperationNotFound
from kea_deployer.domain.ports import ModelVersions


class Builds:
    """The use cases; each is one transaction. They write what is wanted; `wake` tells whoever runs builds.

    Args:
        store: keeps them.
        models: knows model versions.
        workshop: knows what can be made, and where it goes.
        forget: removes what is kept of a build beside the store, by its key.
        wake: called when something is to be run, or not to be run any more.
        clock: tells the present.
    """

    def __init__(
        self,
        store: BuildStore,
        models: ModelVersions,
        workshop: Workshop,
        *,
        forget: Callable[[str], Awaitable[None]],
        wake: Callable[[], None],
        clock: Clock,
    ) -> None:
        self._store = store
        self._models = models
        self._workshop = workshop
        self._forget = forget
        self._wake = wake
        self._clock = clock

    async def create(
        self,
        project: str,
        model_version: str,
        platforms: Sequence[str],
        *,
        validate_only: bool,
        request_id: str,
        digest: str,
    ) -> Build:
        """Queues a build; the same request again gives the same build. With `validate_only` it has no operation.

        Raises:
            BuildNotFound: the same request began one that has been deleted.
            OperationNotFound: the same request began one whose operation has been deleted.
            BuildProjectMismatch: the model is of another project.
            BuildPlatformUnsupported: no image can be made for a platform.
            ImagesNotConfigured: no images are made here.
            BuildQueueFull: enough wait.
        """
        async with self._store.reading() as transaction:
            before = await _repeated(transaction, request_id, digest)
        if before is not None:
            return before
        if parse_name(model_version, "projects", "models", "versions")[0] != project:
            raise BuildProjectMismatch(model_version, project)
        made_for = self._workshop.platforms(platforms)
        model = await self._models.get(model_version)
        build = Build.queue(project, model, made_for, self._workshop.destination(model), self._clock())
        async with self._store.transaction(commit=not validate_only) as transaction:
            # Again, now that writers wait: the same request may have run between the two transactions.
            before = await _repeated(transaction, request_id, digest)
            if before is not None:
                return before
            if len(await transaction.queued()) >= MAX_QUEUED:
                raise BuildQueueFull(MAX_QUEUED)
            await transaction.add(build)
            await transaction.remember(request_id, digest, build.name)
        if validate_only:
            return replace(build, operation="")
        self._wake()
        return build

    async def get(self, name: str) -> Build:
        """Returns a build.

        Raises:
            BuildNotFound: there is none.
        """
        async with self._store.reading() as transaction:
            return await _found(transaction, name)

    async def list(self, project: str, page: Page) -> tuple[Sequence[Build], bool]:
        """Returns a page of a project's builds, newest first, and whether more follow."""
        async with self._store.reading() as transaction:
            found = await transaction.page(project, page)
        return found[: page.size], len(found) > page.size

    async def cancel(self, name: str) -> Build:
        """Cancels a build; one that runs ends soon after, unless it is as good as done.

        Raises:
            BuildNotFound: there is none.
            BuildEnded: it has ended otherwise.
        """
        async with self._store.transaction() as transaction:
            build = await _found(transaction, name)
            if build.ended and build.state is not BuildState.CANCELLED:
                raise BuildEnded(name, build.state.value)
            changed = build.cancel(self._clock())
            if changed != build:
                await transaction.replace(changed)
        self._wake()
        return changed

    async def delete(self, name: str) -> None:
        """Forgets a build that has ended.

        Raises:
            BuildNotFound: there is none.
            BuildNotEnded: it has not ended.
        """
        async with self._store.transaction() as transaction:
            build = await _found(transaction, name)
            if not build.ended:
                raise BuildNotEnded(name)
            await transaction.remove(name)
        await self._forget(build.key)


async def _repeated(transaction: BuildTransaction, request_id: str, digest: str) -> Build | None:
    """Returns what the same request began before, or None."""
    name = await transaction.result(request_id, digest)
    if name is None:
        return None
    build = await _found(transaction, name)
    if not build.operation:
        problem = f"the operation of {name}"
        raise OperationNotFound(problem)
    return build


async def _found(transaction: BuildTransaction, name: str) -> Build:
    build = await transaction.get(name)
    if build is None:
        raise BuildNotFound(name)
    return build
