"""`kea.router.v1.LimitsService`: between the protos and the use cases, nothing else."""

from __future__ import annotations

import re
from typing import Any

import grpc
from kea.router.v1 import limits_pb2, limits_service_pb2, limits_service_pb2_grpc
from kea_core.errors import FieldOutOfBounds, FieldViolation
from kea_core.validation import name_expression, resource_pattern

from kea_router.domain.limits import ProjectLimits
from kea_router.domain.project_limits import LimitsOfProjects
from kea_router.limits_convert import project_limits_to_proto, rate_from_proto

Context = grpc.aio.ServicerContext[Any, Any]


class LimitsServicer(limits_service_pb2_grpc.LimitsServiceServicer):
    """Serves the limits of projects."""

    def __init__(self, limits: LimitsOfProjects) -> None:
        self._limits = limits

    async def GetProjectLimits(
        self, request: limits_service_pb2.GetProjectLimitsRequest, context: Context
    ) -> limits_pb2.ProjectLimits:
        """Returns a project's limits."""
        del context
        return project_limits_to_proto(await self._limits.get(_project(request.name, "name")))

    async def UpdateProjectLimits(
        self, request: limits_service_pb2.UpdateProjectLimitsRequest, context: Context
    ) -> limits_pb2.ProjectLimits:
        """Changes a project's limits."""
        del context
        wanted = request.project_limits
        changed = await self._limits.update(
            ProjectLimits(
                _project(wanted.name, "project_limits.name"),
                rate_from_proto(wanted.total, "project_limits.total") if wanted.HasField("total") else None,
                wanted.max_concurrent_requests,
            ),
            list(request.update_mask.paths),
            etag=wanted.etag,
            validate_only=request.validate_only,
        )
        return project_limits_to_proto(changed)


def _project(name: str, field: str) -> str:
    """Returns the project of limits' name; validation lets fields through that identify a message.

    Raises:
        FieldOutOfBounds: it is no such name.
    """
    pattern = resource_pattern("kea.dev/ProjectLimits")
    found = re.fullmatch(name_expression(pattern), name)
    if found is None:
        raise FieldOutOfBounds([FieldViolation(field, f"is {name[:100]!r}; expected {pattern}")])
    return found["project"]
