from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from kea_openapi.signature import Datatype, TensorType
from kea_runtime import binary_tensors
from kea_runtime.errors import InvalidRequest, pointer
from kea_runtime.tensors import DTYPES, TensorReader

FIXED = [datatype for datatype in Datatype if datatype is not Datatype.BYTES]
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


def finite(datatype: Datatype) -> Any:
    dtype = DTYPES[datatype]
    width: Any = dtype.itemsize * 8
    elements: Any = st.floats(allow_nan=False, allow_infinity=False, width=width) if dtype.kind == "f" else None
    return arrays.arrays(dtype, SHAPES, elements=elements)


@pytest.mark.parametrize("datatype", FIXED)
@given(data=st.data())
def test_json_nested_and_flat_reads_back_what_was_written(datatype: Datatype, data: Any) -> None:
    array = data.draw(finite(datatype))
    reader = TensorReader(TensorType(datatype, (-1,) * array.ndim))
    document = json.loads(json.dumps(array.tolist()))
    nested = reader.read(document)
    assert nested.dtype == array.dtype
    if array.size:
        np.testing.assert_array_equal(nested, array)
    flat = array.ravel().tolist() if array.ndim else array.tolist()
    np.testing.assert_array_equal(reader.read_flat(flat, array.shape), array)


@pytest.mark.parametrize("datatype", FIXED)
@given(data=st.data())
def test_bytes_read_back_what_was_written(datatype: Datatype, data: Any) -> None:
    array = data.draw(arrays.arrays(DTYPES[datatype], SHAPES))
    buffer = binary_tensors.encode(array, datatype)
    back = binary_tensors.decode(buffer, datatype, array.shape)
    assert back.tobytes() == array.tobytes()
    assert back.flags.writeable
    with pytest.raises(InvalidRequest):
        binary_tensors.decode(buffer + b"\0", datatype, array.shape)


@given(st.lists(st.text(max_size=6), max_size=6))
def test_text_reads_back_what_was_written(values: list[str]) -> None:
    array = np.empty(len(values), object)
    array[:] = values
    buffer = binary_tensors.encode(array, Datatype.BYTES)
    assert binary_tensors.decode(buffer, Datatype.BYTES, array.shape).tolist() == values
    if buffer:
        with pytest.raises(InvalidRequest, match=r"truncated|elements"):
            binary_tensors.decode(buffer[:-1], Datatype.BYTES, array.shape)


@given(st.binary(max_size=40), st.lists(st.integers(0, 5), max_size=3))
def test_any_bytes_are_text_or_refused(buffer: bytes, shape: list[int]) -> None:
    try:
        array = binary_tensors.decode(buffer, Datatype.BYTES, shape)
    except InvalidRequest:
        return
    assert array.shape == tuple(shape)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=8,
)


@pytest.mark.parametrize("datatype", list(Datatype))
@given(value=JSON, shape=st.lists(st.integers(-1, 3), max_size=3))
def test_any_json_is_read_in_the_declared_shape_or_refused(datatype: Datatype, value: Any, shape: list[int]) -> None:
    try:
        array = TensorReader(TensorType(datatype, tuple(shape))).read(value)
    except InvalidRequest:
        return
    assert array.dtype == DTYPES[datatype]
    assert all(want in (-1, have) for want, have in zip(shape, array.shape, strict=True))


@pytest.mark.parametrize(
    ("datatype", "shape", "value", "where", "what"),
    [
        (Datatype.INT8, (-1,), [1, 128], "/1", "128 is out of range"),
        (Datatype.INT8, (-1,), [1.0], "/0", "is a number"),
        (Datatype.UINT64, (-1,), [-1], "/0", "-1 is out of range"),
        (Datatype.INT64, (-1,), [2**63], "/0", "out of range"),
        (Datatype.FP32, (-1,), [0.0, 1e39], "/1", "1e+39 is out of range"),
        (Datatype.FP16, (-1,), [70000], "/0", "70000 is out of range"),
        (Datatype.FP64, (-1, -1), [[1], [1, 2]], "/1", "has 2 elements"),
        (Datatype.FP64, (2, -1), [[1]], "", "has 1 elements"),
        (Datatype.FP64, (-1,), [[1]], "/0", "nested too deep"),
        (Datatype.BOOL, (), 1, "", "is an integer"),
        (Datatype.BYTES, (-1,), ["a", 1], "/1", "is an integer"),
        (Datatype.FP64, (-1,), {"0": 1}, "", "is an object"),
    ],
)
def test_refusals_say_where_and_what(
    datatype: Datatype, shape: tuple[int, ...], value: Any, where: str, what: str
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        TensorReader(TensorType(datatype, shape)).read(value)
    violation = caught.value.violations[0]
    assert (pointer(violation.path), what in violation.detail) == (where, True)


def test_bytes_that_are_no_booleans_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="neither 0 nor 1"):
        binary_tensors.decode(b"\x00\x02", Datatype.BOOL, [2])
