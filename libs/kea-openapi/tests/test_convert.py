from __future__ import annotations

import math

import pytest
from google.protobuf import struct_pb2
from hypothesis import given
from kea.registry.v1 import signature_pb2
from kea_core.validation import validate
from kea_openapi.convert import from_proto, to_proto, value_from_proto, value_to_proto
from kea_openapi.signature import MAX_BATCH_ROWS, Example, Method, Signature, SignatureError, from_json, to_json
from signature_strategies import GRADES, IRIS, signatures


@given(signatures())
def test_a_signature_survives_the_message(signature: Signature) -> None:
    wire = to_proto(signature).SerializeToString()
    assert from_proto(signature_pb2.Signature.FromString(wire)) == signature


@given(signatures())
def test_a_signature_is_within_the_bounds_that_its_proto_states(signature: Signature) -> None:
    validate(to_proto(signature))


def test_an_example_without_inputs_is_one() -> None:
    method = Method(name="now", inputs=(), outputs=IRIS.methods[0].outputs, example=Example(inputs={}))
    signature = Signature(methods=(method,))
    validate(signature_pb2.Signature.FromString(to_proto(signature).SerializeToString()))
    assert from_proto(to_proto(signature)) == signature


@given(signatures())
def test_a_signature_survives_plain_json(signature: Signature) -> None:
    assert from_json(to_json(signature)) == signature


@pytest.mark.parametrize("rows", [-1, MAX_BATCH_ROWS + 1])
def test_rows_of_a_call_out_of_range_are_refused(rows: int) -> None:
    document = to_json(IRIS)
    document["methods"][0]["max_batch_rows"] = rows
    with pytest.raises(SignatureError, match=rf"methods\.predict\.max_batch_rows: is {rows}; it must be 0 to 4096"):
        from_json(document)


def test_only_tensors_with_a_varying_first_extent_are_rows() -> None:
    assert [method.has_rows for method in (*IRIS.methods, *GRADES.methods)] == [True, True, False, False, False, False]


@pytest.mark.parametrize("signature", [IRIS, GRADES])
def test_known_signatures_survive(signature: Signature) -> None:
    assert from_proto(to_proto(signature)) == signature


def test_an_empty_schema_stays_a_schema() -> None:
    restored = from_proto(to_proto(GRADES)).methods[1].outputs[0]
    assert restored.json_schema == {}


def test_a_datatype_that_is_not_set_is_refused_with_its_place() -> None:
    message = signature_pb2.Signature()
    message.methods.add(name="predict").inputs.add(name="x").tensor.SetInParent()
    with pytest.raises(SignatureError, match=r"methods\.predict\.inputs\.x: has datatype 0"):
        from_proto(message)


def test_a_signature_without_methods_is_refused() -> None:
    with pytest.raises(SignatureError, match="methods: is empty"):
        from_proto(signature_pb2.Signature())


@pytest.mark.parametrize("number", [math.nan, math.inf, 10**400])
def test_what_json_does_not_have_becomes_null(number: float) -> None:
    assert value_from_proto(value_to_proto(number)) is None


def test_a_value_of_no_kind_is_null() -> None:
    assert value_from_proto(struct_pb2.Value()) is None
