"""Between builds and the rows of their table."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from kea_core.clock import as_utc

from kea_deployer.domain.build import Build, BuildState, Product
from kea_deployer.domain.deployment import ModelVersion
from kea_deployer.domain.plan import Failure


def of_build(build: Build) -> dict[str, Any]:
    """Returns a build's row."""
    model = build.model
    product = build.product or Product("", "", {}, 0)
    failure = build.failure or Failure("", "", final=True)
    return {
        "name": build.name,
        "project": build.project,
        "operation": build.operation,
        "model": {
            "name": model.name,
            "framework": model.framework,
            "entrypoint": model.entrypoint,
            "signature": dict(model.signature),
            "requirements": list(model.requirements),
            "sha256": model.sha256,
        },
        "platforms": list(build.platforms),
        "destination": build.destination,
        "state": build.state.value,
        "step": build.step,
        "cancelling": build.cancelling,
        "image": product.image,
        "base": product.base,
        "locks": dict(product.locks),
        "bytes_pushed": product.bytes_pushed,
        "error_reason": failure.reason,
        "error_message": failure.message,
        "create_time": build.create_time,
        "start_time": build.start_time,
        "end_time": build.end_time,
    }


def build(row: sa.Row[Any]) -> Build:
    """Returns the build of a row, which may be without locks."""
    return Build(
        name=row.name,
        model=_model(row.model),
        platforms=tuple(row.platforms),
        destination=row.destination,
        operation=row.operation,
        create_time=as_utc(row.create_time),
        state=BuildState(row.state),
        step=row.step,
        cancelling=row.cancelling,
        product=_product(row) if row.image else None,
        failure=Failure(row.error_reason, row.error_message, final=True) if row.error_reason else None,
        start_time=_moment(row.start_time),
        end_time=_moment(row.end_time),
    )


def _model(entry: dict[str, Any]) -> ModelVersion:
    return ModelVersion(
        name=entry["name"],
        framework=entry["framework"],
        entrypoint=entry["entrypoint"],
        signature=entry["signature"],
        requirements=tuple(entry["requirements"]),
        sha256=entry["sha256"],
    )


def _product(row: sa.Row[Any]) -> Product:
    return Product(row.image, row.base, getattr(row, "locks", {}), row.bytes_pushed)


def _moment(time: datetime | None) -> datetime | None:
    return None if time is None else as_utc(time)
