from __future__ import annotations

import importlib.metadata
import importlib.util
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from kea_openapi.signature import Datatype, Method, Signature
from kea_sdk import PackagingError
from kea_sdk.packaging.build import build
from kea_sdk.packaging.package import Package, PackageOptions

NOTHING = PackageOptions()
SHOP = '''
from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
import yaml


@dataclass
class Customer:
    """Who buys."""

    name: str
    age: int = 18


class Shop:
    """Sells."""

    def price(self, customer: Customer, amounts: list[float], currency: Literal["EUR", "USD"] = "EUR") -> float:
        """Returns the price.

        Args:
            customer: Who asks.
            amounts: How much of each.

        Returns:
            The price, in the currency.
        """
        return sum(amounts)

    async def stock(self) -> dict[str, int]:
        """Returns what there is."""
        return {}

    def scale(self, rows: np.ndarray) -> np.ndarray:
        return 2 * rows

    def _hidden(self) -> None: ...


class _Helper:
    def help(self) -> None: ...
'''


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(SHOP)
    return path


def method(package: Package, name: str) -> Method:
    assert package.signature is not None
    found = package.signature.method(name)
    assert found is not None
    return found


def loaded(path: Path) -> Any:
    """Imports a file as people do."""
    specification = importlib.util.spec_from_file_location("shop_of_test", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules["shop_of_test"] = module
    specification.loader.exec_module(module)
    return module


def test_public_methods_are_the_api_and_hints_and_docstrings_its_documentation(shop: Path) -> None:
    found = build(f"{shop}:Shop", NOTHING)
    assert (found.framework, found.entrypoint, found.files) == ("python", "shop.py:Shop", {"shop.py": shop})
    assert found.signature is not None
    assert [entry.name for entry in found.signature.methods] == ["price", "stock", "scale"]
    price = method(found, "price")
    assert price.description.startswith("Returns the price.")
    assert [(field.name, field.required, field.description) for field in price.inputs] == [
        ("customer", True, "Who asks."),
        ("amounts", True, "How much of each."),
        ("currency", False, ""),
    ]
    assert price.inputs[2].default == "EUR"
    assert price.outputs[0].description == "The price, in the currency."


def test_dataclasses_async_methods_and_arrays_are_described(shop: Path) -> None:
    found = build(shop, NOTHING)
    customer = method(found, "price").inputs[0].json_schema
    assert customer is not None
    assert "Customer" in str(customer)
    assert method(found, "stock").outputs[0].json_schema == {
        "type": "object",
        "additionalProperties": {"type": "integer"},
    }
    assert method(found, "scale").inputs[0].name == "rows"


def test_the_source_is_read_and_never_run(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("raise SystemExit\nclass Model:\n    def predict(self, x: float) -> float: return x\n")
    found = build(path, NOTHING)
    assert found.signature is not None
    assert found.signature.default_method == "predict"


def test_what_is_imported_is_required_in_the_version_that_is_installed_here(shop: Path) -> None:
    found = build(shop, NOTHING)
    assert found.requirements == (
        f"numpy=={importlib.metadata.version('numpy')}",
        f"pyyaml=={importlib.metadata.version('pyyaml')}",
    )


def test_a_class_is_pushed_with_its_file(shop: Path) -> None:
    found = build(loaded(shop).Shop, NOTHING)
    assert (found.entrypoint, found.files) == ("shop.py:Shop", {"shop.py": shop})


def test_a_class_without_a_file_of_its_own_is_refused() -> None:
    class Inner: ...

    for kind in (Inner, int, type("Typed", (), {"__module__": "nowhere"})):
        with pytest.raises(PackagingError, match="must be at the top level of a file"):
            build(kind, NOTHING)


@pytest.mark.parametrize(
    ("example", "inputs"),
    [
        (
            {"price": {"customer": {"name": "Ada"}, "amounts": np.array([1.5])}},
            {"customer": {"name": "Ada"}, "amounts": [1.5]},
        ),
        ({"customer": {"name": "Ada"}, "amounts": [1]}, {"customer": {"name": "Ada"}, "amounts": [1]}),
    ],
)
def test_an_example_is_for_a_method_or_the_default_one(shop: Path, example: Any, inputs: Any) -> None:
    found = method(build(shop, PackageOptions(example=example, method="price")), "price").example
    assert found is not None
    assert (found.inputs, found.outputs) == (inputs, None)


def test_an_example_may_have_objects_of_the_models_own_classes(shop: Path) -> None:
    example = {"price": {"customer": loaded(shop).Customer("Ada"), "amounts": (1,)}}
    found = method(build(shop, PackageOptions(example=example)), "price").example
    assert found is not None
    assert found.inputs == {"customer": {"name": "Ada", "age": 18}, "amounts": [1]}


@dataclass
class Strange:
    thing: object


@pytest.mark.parametrize(
    ("example", "problem"),
    [
        ([[1]], "the example of a class must be a mapping"),
        (
            {"amounts": [1]},
            "the example must say which method it is for; expected a mapping with any of price, scale, stock",
        ),
        ({"price": {"amount": [1]}}, "the example has amount, which price does not take"),
        ({"price": {"amounts": [float("nan")]}}, "the example of price has values that JSON cannot carry"),
        ({"price": {"customer": Strange(object())}}, "the example of price has values that JSON cannot carry"),
    ],
)
def test_an_example_that_does_not_fit_is_said(shop: Path, example: Any, problem: str) -> None:
    with pytest.raises(PackagingError, match=problem):
        build(shop, PackageOptions(example=example))


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("class A: ...\nclass B: ...\n", r"m\.py must have one public class.*it has A, B"),
        ("x = 1\n", "it has none"),
        ("def (:\n", r"m\.py is not Python"),
        ("class Model:\n    _x = 1\n", "method"),
    ],
)
def test_a_file_without_the_one_class_is_refused(tmp_path: Path, source: str, problem: str) -> None:
    (tmp_path / "m.py").write_text(source)
    with pytest.raises(PackagingError, match=problem) as caught:
        build(tmp_path / "m.py", NOTHING)
    assert "\n" not in str(caught.value)


def test_a_file_of_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.py").write_bytes(b"# -*- coding: latin-1 -*-\nclass M:\n    def f(self): '\xfc'\n")
    with pytest.raises(PackagingError, match=r"m\.py is not UTF-8"):
        build(tmp_path / "m.py", NOTHING)


def test_a_class_that_is_not_there_is_named(shop: Path) -> None:
    with pytest.raises(PackagingError, match="Store"):
        build(f"{shop}:Store", NOTHING)


def test_a_signature_that_is_given_is_checked(shop: Path) -> None:
    with pytest.raises(PackagingError, match="methods: is empty"):
        build(shop, PackageOptions(signature=Signature(())))
    assert Datatype.FP64  # the signature's own words stay importable beside a model's
