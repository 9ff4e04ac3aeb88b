from __future__ import annotations

from typing import Any

from google.protobuf import duration_pb2
from kea.router.v1 import limits_pb2
from kea_openapi.limits_text import limits_text
from kea_openapi.model_document import model_document
from kea_openapi.model_draft import ModelApi
from kea_openapi.signature import Datatype, Field, Method, Signature, TensorType


def rate(requests: int, seconds: int = 0, burst: int = 0) -> limits_pb2.RateLimit:
    period = duration_pb2.Duration(seconds=seconds) if seconds else None
    return limits_pb2.RateLimit(requests=requests, period=period, burst=burst)


def test_each_limit_is_a_phrase() -> None:
    limits = limits_pb2.Limits(
        total=rate(100, burst=20),
        per_consumer=rate(10, 60, 10),
        max_concurrent_requests=4,
        max_concurrent_requests_per_consumer=2,
    )
    assert limits_text(limits) == (
        "100 per second (20 at once) of all callers together",
        "10 per minute of each caller",
        "4 in progress at once",
        "2 of each caller in progress at once",
    )
    assert limits_text(limits_pb2.Limits(per_consumer=rate(1, 90))) == ("1 per 90 s of each caller",)
    assert limits_text(limits_pb2.Limits()) == ()


def document(*limits: str) -> dict[str, Any]:
    signature = Signature((Method("predict", (Field("x", TensorType(Datatype.FP64, (-1,))),), ()),), "predict")
    return model_document(ModelApi(name="iris", version=1, signature=signature, limits=limits))


def test_a_document_tells_the_limits_of_its_endpoint() -> None:
    info = document("10 per minute of each caller")["info"]
    assert info["x-kea-limits"] == ["10 per minute of each caller"]
    assert info["description"].endswith("- 10 per minute of each caller")
    assert "429" not in document()["info"]["description"]


def test_every_operation_may_be_refused_with_the_time_to_wait() -> None:
    made = document()
    for path, operations in made["paths"].items():
        for operation in operations.values():
            name = operation["responses"]["429"]["$ref"].rpartition("/")[2]
            header = made["components"]["responses"][name]["headers"]["Retry-After"]
            assert (header["required"], header["schema"]["type"]) == (True, "integer"), path
