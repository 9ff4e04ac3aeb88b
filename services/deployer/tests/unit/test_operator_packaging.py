from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from kea.registry.v1 import model_pb2, model_version_pb2
from kea_deployer.operator.decide_model import Known, check_owner, is_current, is_same, version_of
from kea_deployer.operator.errors import Problem
from kea_deployer.operator.model_spec import ModelSpec
from kea_deployer.operator.packaging.contents import unpack
from kea_deployer.operator.packaging.entrypoints import entrypoint_of, named
from kea_deployer.operator.packaging.onnx_graph import GraphError, read_graph
from kea_deployer.operator.packaging.package import make_package
from kea_openapi.convert import to_proto
from kea_openapi.signature import Datatype, Signature

MIB = 1024 * 1024
SOURCE = b'''
from dataclasses import dataclass

@dataclass
class Flower:
    width: float

class _Hidden: ...

class Iris:
    def predict(self, width: float) -> str:
        """Names a flower."""
        return "setosa"
'''


def spec(framework: str, **changes: Any) -> ModelSpec:
    return ModelSpec("iris", "iris", framework, "s3://models/iris", **changes)


def tar_of(files: dict[str, bytes], change: Callable[[tarfile.TarInfo], None] = lambda _: None) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            change(entry)
            tar.addfile(entry, io.BytesIO(content))
    return out.getvalue()


def zip_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


Put = Callable[[str, bytes], Path]


@pytest.mark.parametrize("name", ["model.tar", "model.tar.gz", "model.TGZ", "model.zip"])
def test_archives_are_unpacked_without_the_directory_that_holds_all(name: str, put: Put, tmp_path: Path) -> None:
    files = {"iris/model.py": SOURCE, "iris/data/x.txt": b"x", "iris/__pycache__/model.pyc": b"no"}
    content = zip_of(files) if name.endswith("zip") else tar_of(files)
    found = unpack(
        put(name, content if name.endswith(("tar", "zip")) else gzip.compress(content)), tmp_path / "to", MIB
    )
    assert {path: file.read_bytes() for path, file in found.items()} == {"model.py": SOURCE, "data/x.txt": b"x"}
    assert not (tmp_path / "to" / "plain.tar").exists()


def test_a_file_that_is_no_archive_stays_as_it_is(put: Put, tmp_path: Path) -> None:
    path = put("model.joblib", b"x")
    assert unpack(path, tmp_path / "to", MIB) == {"model.joblib": path}


def link(entry: tarfile.TarInfo) -> None:
    entry.type, entry.linkname, entry.size = tarfile.SYMTYPE, "/etc/passwd", 0


def device(entry: tarfile.TarInfo) -> None:
    entry.type, entry.size = tarfile.CHRTYPE, 0


def linked_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        entry = zipfile.ZipInfo("link")
        entry.external_attr = 0o120777 << 16
        archive.writestr(entry, "/etc/passwd")
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.tar", tar_of({"../outside": b"x"}), "plain relative"),
        ("a.tar", tar_of({"/etc/passwd": b"x"}), "plain relative"),
        ("a.zip", zip_of({"a/../../outside": b"x"}), "plain relative"),
        ("a.zip", zip_of({"a\\b": b"x"}), "plain relative"),
        ("a.tar", tar_of({"link": b""}, link), "link or a special file"),
        ("a.tar", tar_of({"null": b""}, device), "link or a special file"),
        ("a.zip", linked_zip(), "link or a special file"),
        ("a.tar", b"nonsense" * 100, "cannot be unpacked"),
        ("a.tar.gz", b"nonsense", "cannot be unpacked"),
        ("a.zip", b"nonsense", "cannot be unpacked"),
        ("a.tar", tar_of({}), "no files"),
        ("a.tar", tar_of({"a": b"x", "a/b": b"x"}), "cannot be unpacked"),
        ("a.tar", tar_of({"a": b"x", "./a": b"y"}), "cannot be unpacked"),
        ("a.tar", tar_of({"large": b"x" * (MIB + 1)}), "more than"),
        ("a.zip", zip_of({"large": b"x" * (MIB + 1)}), "more than"),
        ("a.tar.gz", gzip.compress(b"\0" * (66 * MIB)), "too many bytes"),
        ("a.tar", tar_of(dict.fromkeys(map(str, range(20_001)), b"")), "more than 20000"),
        ("a.zip", zip_of(dict.fromkeys(map(str, range(20_001)), b"")), "more than 20000"),
    ],
)
def test_archives_that_would_do_harm_are_refused(
    name: str, content: bytes, told: str, put: Put, tmp_path: Path
) -> None:
    with pytest.raises(Problem, match=told) as caught:
        unpack(put(name, content), tmp_path / "to", MIB)
    assert (caught.value.reason, caught.value.passing) == ("ARTIFACT_INVALID", False)
    assert not (tmp_path / "outside").exists()


def test_a_header_that_would_fill_the_memory_is_refused(put: Put, tmp_path: Path) -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = tarfile.XHDTYPE, 64 * MIB
    path = put("a.tar", entry.tobuf() + b"0" * 10_000)
    os.truncate(path, 80 * MIB)
    with pytest.raises(Problem, match="header of"):
        unpack(path, tmp_path / "to", 1024 * MIB)


def test_a_list_of_contents_that_would_fill_the_memory_is_refused_unread(put: Put, tmp_path: Path) -> None:
    ends = zip_of({"a": b"x"})
    end = ends.rindex(b"PK\x05\x06")
    wrong = ends[: end + 12] + (64 * MIB).to_bytes(4, "little") + ends[end + 16 :]
    with pytest.raises(Problem, match="more than 20000"):
        unpack(put("a.zip", wrong), tmp_path / "to", MIB)


def files(*names: str, content: bytes = b"x", where: Path) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for name in names:
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(content)
        found[name] = where / name
    return found


def test_the_only_model_there_can_be_is_the_entrypoint(tmp_path: Path) -> None:
    found = files("model.joblib", "README.md", "data/x.csv", where=tmp_path)
    assert entrypoint_of(found, "sklearn", "") == "model.joblib"
    assert entrypoint_of(found, "sklearn", "data/x.csv") == "data/x.csv"


def test_a_model_without_a_telling_name_gets_one(tmp_path: Path) -> None:
    assert list(named(files("model", where=tmp_path), "sklearn")) == ["model.joblib"]
    assert list(named(files("abc123", where=tmp_path), "onnx")) == ["abc123.onnx"]
    assert list(named(files("model.pickle", where=tmp_path), "sklearn")) == ["model.pkl"]


def test_a_python_model_is_the_only_class_that_is_one(tmp_path: Path) -> None:
    found = files("iris.py", content=SOURCE, where=tmp_path) | files("setup.py", content=b"x = 1", where=tmp_path)
    assert entrypoint_of(found, "python", "") == "iris.py:Iris"
    assert entrypoint_of(found, "python", "iris.py") == "iris.py:Iris"
    assert entrypoint_of(found, "python", "iris.py:Flower") == "iris.py:Flower"


@pytest.mark.parametrize(
    ("framework", "given", "told"),
    [
        ("sklearn", "", "it has several, a.pkl, b.joblib"),
        ("onnx", "", "it has none"),
        ("sklearn", "c.pkl", "spec.entrypoint is 'c.pkl'.*a.pkl, b.joblib"),
        ("python", "two.py", "it has A, B"),
    ],
)
def test_where_the_entrypoint_is_not_known_the_choice_is_told(
    framework: str, given: str, told: str, tmp_path: Path
) -> None:
    found = files("a.pkl", "b.joblib", where=tmp_path)
    found |= files("two.py", content=b"class A: ...\nclass B: ...", where=tmp_path)
    with pytest.raises(Problem, match=told) as caught:
        entrypoint_of(found, framework, given)
    assert caught.value.reason == "ENTRYPOINT_UNKNOWN"


@pytest.mark.parametrize("content", [b"class A(:", b"\0", b"(" * 10_000])
def test_what_is_no_python_is_told(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="is not Python"):
        entrypoint_of(files("a.py", content=content, where=tmp_path), "python", "")


def value(name: str, element: int, shape: list[Any]) -> Any:
    return onnx.helper.make_tensor_value_info(name, element, shape)


def graph(inputs: list[Any], outputs: list[Any], weights: list[Any] | None = None) -> bytes:
    made = onnx.helper.make_graph([], "iris", inputs, outputs, weights or [])
    return onnx.helper.make_model(made).SerializeToString()


def test_an_onnx_graph_tells_its_inputs_and_outputs(put: Put) -> None:
    float_, int_, text = onnx.TensorProto.FLOAT, onnx.TensorProto.INT64, onnx.TensorProto.STRING
    weight = onnx.helper.make_tensor("w", float_, [2], [1.0, 2.0])
    map_type = onnx.helper.make_map_type_proto(int_, onnx.helper.make_tensor_type_proto(float_, None))
    maps = onnx.helper.make_value_info("p", onnx.helper.make_sequence_type_proto(map_type))
    content = graph(
        [value("x", float_, ["batch", 4]), value("t", text, [None, 1]), value("w", float_, [2])],
        [value("y", int_, [None]), value("s", onnx.TensorProto.BOOL, []), maps],
        [weight],
    )
    found = read_graph(put("model.onnx", content))
    tensors = [(field.name, field.tensor) for field in (*found.inputs, *found.outputs) if field.tensor is not None]
    assert [(name, tensor.datatype, tensor.shape) for name, tensor in tensors] == [
        ("x", Datatype.FP32, (-1, 4)),
        ("t", Datatype.BYTES, (-1, 1)),
        ("y", Datatype.INT64, (-1,)),
        ("s", Datatype.BOOL, ()),
    ]
    assert found.outputs[2].json_schema is not None
    assert found.outputs[2].json_schema["type"] == "array"


def test_every_element_type_that_can_be_served_is_known(put: Put) -> None:
    names = {"FLOAT": "FP32", "DOUBLE": "FP64", "FLOAT16": "FP16", "STRING": "BYTES"}
    for element in range(1, 14):
        name = onnx.TensorProto.DataType.Name(element)
        found = read_graph(put("model.onnx", graph([value("x", element, [1])], [value("y", element, [1])])))
        tensor = found.inputs[0].tensor
        assert tensor is not None
        assert tensor.datatype.value == names.get(name, name)
    odd = read_graph(put("model.onnx", graph([value("x", onnx.TensorProto.BFLOAT16, [1])], [value("y", 1, [1])])))
    assert odd.inputs[0].json_schema == {}


@pytest.mark.parametrize(
    "content",
    [b"", b"\x80" * 20, b"not a model at all", b"\x3a\xff\xff\xff\xff\x0f", b"\x3a\x00", b"\x08\x01" * 1_000_001],
)
def test_what_is_no_graph_is_refused(content: bytes, put: Put) -> None:
    with pytest.raises(GraphError):
        read_graph(put("model.onnx", content))


def test_a_graph_that_is_cut_anywhere_is_refused_or_read_and_nothing_worse(put: Put) -> None:
    whole = graph([value("x", 1, ["n", 4])], [value("y", 7, [None])])
    for size in range(len(whole)):
        path = put("model.onnx", whole[:size])
        try:
            read_graph(path)
        except GraphError:
            continue


def package(framework: str, path: Path, tmp_path: Path, **changes: Any) -> Any:
    work = tmp_path / "work"
    work.mkdir()
    return make_package(spec(framework, **changes), path, work, MIB)


def test_an_onnx_file_becomes_a_version_with_a_signature(put: Put, tmp_path: Path) -> None:
    path = put("model.onnx", graph([value("x", 1, ["n", 4])], [value("y", 7, [None])]))
    made = package("onnx", path, tmp_path)
    assert (made.entrypoint, made.notes) == ("model.onnx", ())
    assert isinstance(made.signature, Signature)
    assert made.signature.default_method == "predict"
    assert hashlib.sha256(made.archive.read_bytes()).hexdigest() == made.sha256
    with tarfile.open(made.archive) as tar:
        assert [(entry.name, entry.mtime, entry.uid, entry.mode) for entry in tar] == [("model.onnx", 0, 0, 0o644)]


@pytest.mark.parametrize(
    ("input_type", "datatype", "shape"), [("JSON", Datatype.FP64, (-1, -1)), ("text", Datatype.BYTES, (-1,))]
)
def test_of_an_estimator_the_signature_is_guessed_and_that_is_said(
    input_type: str, datatype: Datatype, shape: tuple[int, ...], put: Put, tmp_path: Path
) -> None:
    made = package("sklearn", put("model.pkl", b"never read as a pickle"), tmp_path, input_type=input_type)
    assert made.signature is not None
    tensor = made.signature.methods[0].inputs[0].tensor
    assert (tensor.datatype, tensor.shape) == (datatype, shape)
    assert any("spec.signature is not given" in line for line in made.signature.incomplete)
    assert any("spec.requirements is not given" in line for line in made.notes)
    made.signature.validate()


def test_of_python_the_registry_reads_the_signature(put: Put, tmp_path: Path) -> None:
    made = package("python", put("iris.py", SOURCE), tmp_path)
    assert (made.entrypoint, made.signature) == ("iris.py:Iris", None)


def test_a_file_that_is_no_onnx_is_told(put: Put, tmp_path: Path) -> None:
    with pytest.raises(Problem, match="cannot be read as ONNX") as caught:
        package("onnx", put("model.onnx", b"nonsense"), tmp_path)
    assert caught.value.reason == "ARTIFACT_INVALID"


def test_what_is_uploaded_is_known_again(put: Put, tmp_path: Path) -> None:
    made = package("onnx", put("model.onnx", graph([value("x", 1, [4])], [value("y", 7, [1])])), tmp_path)
    wanted = version_of(made)
    latest = model_version_pb2.ModelVersion()
    latest.CopyFrom(wanted)
    latest.number, latest.description = 3, "told by somebody"
    assert is_same(latest, wanted)
    assert not is_same(None, wanted)
    changes: dict[str, Any] = {"sha256": "0" * 64, "entrypoint": "x", "framework": 3, "requirements": ["x"]}
    for field, other in changes.items():
        different = model_version_pb2.ModelVersion()
        different.CopyFrom(latest)
        different.ClearField(field)  # pyright: ignore[reportArgumentType] - the name is the test's
        different.MergeFrom(model_version_pb2.ModelVersion(**{field: other}))
        assert not is_same(different, wanted), field
    latest.ClearField("signature")
    assert not is_same(latest, wanted)


def test_a_signature_that_is_read_from_the_source_does_not_make_a_version_another(put: Put, tmp_path: Path) -> None:
    wanted = version_of(package("python", put("iris.py", SOURCE), tmp_path))
    latest = model_version_pb2.ModelVersion()
    latest.CopyFrom(wanted)
    latest.signature.CopyFrom(to_proto(Signature(())))
    assert is_same(latest, wanted)


def test_a_model_of_somebody_else_is_a_conflict() -> None:
    check_owner("team-a/iris", None)
    check_owner("team-a/iris", model_pb2.Model(managed_by="team-a/iris"))
    for owner, told in (("", "no custom resource"), ("team-b/iris", "team-b/iris")):
        with pytest.raises(Problem, match=told) as caught:
            check_owner("team-a/iris", model_pb2.Model(name="m", managed_by=owner))
        assert (caught.value.reason, caught.value.passing) == ("CONFLICT", True)


def test_only_what_was_uploaded_and_is_still_the_newest_is_current() -> None:
    model = model_pb2.Model(latest_version=2)
    assert is_current(Known("d", 2), "d", model)
    assert not is_current(Known("d", 2), "other", model)
    assert not is_current(Known("d", 1), "d", model), "somebody else has made a version since"
    assert not is_current(Known("", 0), "d", model_pb2.Model())
    assert not is_current(Known("d", 0), "d", model_pb2.Model())
