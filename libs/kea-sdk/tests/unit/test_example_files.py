from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from kea_openapi.signature import Method, Signature, to_json
from kea_sdk import PackagingError
from kea_sdk.example_files import read_example, read_signature


def test_an_array_of_numpys_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.eye(2))
    assert read_example(tmp_path / "rows.npy").tolist() == [[1.0, 0.0], [0.0, 1.0]]


def test_a_table_is_read_with_its_header(tmp_path: Path) -> None:
    (tmp_path / "rows.CSV").write_text("city,size\nUlm,1.5\n")
    assert read_example(tmp_path / "rows.CSV").equals(pd.DataFrame({"city": ["Ulm"], "size": [1.5]}))


@pytest.mark.parametrize(
    ("document", "inputs"),
    [
        ({"x": [1]}, {"x": [1]}),
        ([[1, 2]], [[1, 2]]),
        ({"inputs": {"x": 1}}, {"x": 1}),
        ({"inputs": {"x": 1}, "outputs": {"y": 2}}, {"x": 1}),
        ({"inputs": [1]}, {"inputs": [1]}),
        ({"inputs": {"x": 1}, "other": 2}, {"inputs": {"x": 1}, "other": 2}),
    ],
)
def test_json_has_the_inputs_or_has_them_as_inputs(tmp_path: Path, document: object, inputs: object) -> None:
    (tmp_path / "example.json").write_text(json.dumps(document), encoding="utf-8-sig")
    assert read_example(tmp_path / "example.json") == inputs


@pytest.mark.parametrize("name", ["gone.json", "empty.json", "empty.csv", "pickled.npy", "binary.json", "."])
def test_a_file_that_cannot_be_read_is_named_in_one_line(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty.json").touch()
    (tmp_path / "empty.csv").touch()
    (tmp_path / "binary.json").write_bytes(b"\xff\xfe\x00")
    np.save(tmp_path / "pickled.npy", np.array([{}], dtype=object))
    with pytest.raises(PackagingError) as caught:
        read_example(tmp_path / name)
    assert str(caught.value).startswith(f"the example {tmp_path / name} cannot be read: ")
    assert "\n" not in str(caught.value)
    assert str(caught.value).count(str(tmp_path)) == 1


def test_a_signature_is_read_and_checked(tmp_path: Path) -> None:
    signature = Signature((Method("predict", (), ()),), "predict")
    (tmp_path / "good.json").write_text(json.dumps(to_json(signature)))
    assert read_signature(tmp_path / "good.json") == signature
    for name, content, problem in (
        ("none.json", '{"methods": []}', "methods: is empty"),
        ("list.json", "[]", "signature: is malformed"),
        ("text.json", "{", "cannot be read: Expecting"),
    ):
        (tmp_path / name).write_text(content)
        with pytest.raises(PackagingError, match=problem):
            read_signature(tmp_path / name)
    with pytest.raises(PackagingError, match=r"cannot be read: No such file or directory$"):
        read_signature(tmp_path / "gone.json")
