"""Which MLDeployments mean which MLModel. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from kea_deployer.operator.resource import Resource


def model_of(name: str, models: Iterable[Resource]) -> Resource | None:
    """Returns the MLModel that a name means in a namespace: by what it calls the model, else by its own name.

    Of several that call their model alike, the oldest is meant; the others are told of their conflict.
    """
    known = sorted(models, key=lambda model: (model.deleting, model.create_time, model.key))
    by_spec = (model for model in known if model.spec.get("modelName") == name)
    by_name = (model for model in known if model.key.name == name)
    return next(by_spec, None) or next(by_name, None)


def users_of(model: Resource, models: Iterable[Resource], deployments: Iterable[Resource]) -> list[Resource]:
    """Returns the MLDeployments of a namespace that mean an MLModel."""
    known = list(models)
    found: list[Resource] = []
    for deployment in deployments:
        meant = model_of(str(deployment.spec.get("modelName") or ""), known)
        if meant is not None and meant.key == model.key:
            found.append(deployment)
    return found


def is_news(before: Resource | None, now: Resource | None) -> bool:
    """Returns whether a change of a resource is more than what the operator itself has written."""
    if before is None or now is None:
        return True
    return (before.uid, before.generation, before.deleting) != (now.uid, now.generation, now.deleting)


def is_news_for_users(before: Resource | None, now: Resource | None) -> bool:
    """Returns whether a change of an MLModel matters to the MLDeployments that mean it."""
    if is_news(before, now) or before is None or now is None:
        return True
    return any(before.status.get(name) != now.status.get(name) for name in ("model", "version", "conditions"))
