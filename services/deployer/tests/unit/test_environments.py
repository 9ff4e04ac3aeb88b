from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

import pytest
from kea_deployer.local.environments import environment_name
from kea_deployer.provision.recipe import Recipe, read_recipe, requirements_of, without_passwords

RECIPE = Recipe(
    layer_requirements=("granian",),
    install_arguments=(),
    base_requirements=("numpy",),
    framework_requirements={"sklearn": ("scikit-learn",), "python": ()},
    skops_requirements=("skops",),
    table_requirements=("pandas",),
    digest="0" * 64,
)
TABLE = {"methods": [{"name": "predict", "table": True}]}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, ["numpy"]),
        ({"framework": "sklearn"}, ["numpy", "scikit-learn"]),
        ({"framework": "sklearn", "requirements": ("scikit-learn==1.6",)}, ["numpy", "scikit-learn==1.6"]),
        ({"framework": "newer than this deployer"}, ["numpy"]),
        ({"requirements": ("numpy", "click")}, ["click", "numpy"]),
        ({"framework": "sklearn", "entrypoint": "model.skops"}, ["numpy", "scikit-learn", "skops"]),
        ({"signature": TABLE}, ["numpy", "pandas"]),
    ],
)
def test_an_environment_holds_the_models_requirements_and_what_all_need(
    helpers: Any, changes: dict[str, Any], expected: list[str]
) -> None:
    assert list(requirements_of(helpers.make_model(**changes), RECIPE)) == expected


def test_the_name_is_that_of_the_content(monkeypatch: pytest.MonkeyPatch) -> None:
    name = environment_name(["a", "b"])
    assert name == environment_name(["b", "a"])
    assert name != environment_name(["a", "c"])
    monkeypatch.setattr(sys, "version", "another interpreter")
    assert name != environment_name(["a", "b"])


async def test_the_runtime_tells_what_it_is_made_of(helpers: Any) -> None:
    recipe = await read_recipe()
    assert any(line.startswith("numpy") for line in recipe.base_requirements)
    assert len(recipe.digest) == 64
    assert requirements_of(replace(helpers.make_model(), framework="onnx"), recipe)


def test_passwords_of_addresses_are_not_logged() -> None:
    line = "a @ https://ada:secret@host/a.whl, b @ https://host/b@2.whl"
    assert without_passwords(line) == "a @ https://***@host/a.whl, b @ https://host/b@2.whl"
