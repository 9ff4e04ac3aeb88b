"""Revisions as rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from kea_core.clock import as_utc

from kea_router.domain.revision import EndpointRevision, Served


def row_of(revision: EndpointRevision) -> dict[str, Any]:
    """Returns the row of a revision."""
    targets = [
        {
            "deployment": part.deployment,
            "weight": part.weight,
            "model_version": part.model_version,
            "pod_template": part.pod_template,
            "prebuilt_image": part.prebuilt_image,
            "update_time": part.update_time.isoformat(),
        }
        for part in revision.targets
    ]
    return {
        "endpoint": revision.endpoint,
        "number": revision.number,
        "targets": targets,
        "create_time": revision.create_time,
    }


def revision_of(row: sa.Row[Any]) -> EndpointRevision:
    """Returns the revision of a row."""
    return EndpointRevision(row.endpoint, row.number, tuple(map(_served, row.targets)), as_utc(row.create_time))


def _served(entry: dict[str, Any]) -> Served:
    return Served(
        deployment=entry["deployment"],
        weight=entry["weight"],
        model_version=entry["model_version"],
        pod_template=entry["pod_template"],
        prebuilt_image=entry["prebuilt_image"],
        update_time=datetime.fromisoformat(entry["update_time"]),
    )
