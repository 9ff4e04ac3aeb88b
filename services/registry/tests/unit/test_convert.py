from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from kea_openapi.signature import Datatype, Example, Field, Method, Signature, TensorType
from kea_registry import convert
from kea_registry.domain.model import Model, ModelKey
from kea_registry.domain.model_version import Framework, ModelVersion, VersionKey

IDS = st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
TIMES = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds are naive
KEYS = st.builds(ModelKey, IDS, IDS)
NUMBERS = st.integers(1, 10**17)
TENSORS = st.builds(TensorType, st.sampled_from(Datatype), st.lists(st.integers(-1, 100), max_size=3).map(tuple))
FIELDS = st.builds(Field, st.just("x"), tensor=TENSORS, description=TEXTS)
METHODS = st.builds(
    Method,
    name=st.just("predict"),
    inputs=FIELDS.map(lambda field: (field,)),
    outputs=FIELDS.map(lambda field: (field,)),
    description=TEXTS,
    example=st.none() | st.builds(Example, st.just({"x": [1, "a", None]})),
)
SIGNATURES = st.builds(
    Signature, METHODS.map(lambda method: (method,)), st.sampled_from(["", "predict"]), st.lists(TEXTS).map(tuple)
)
VERSIONS = st.builds(
    ModelVersion,
    key=st.builds(VersionKey, KEYS, NUMBERS),
    framework=st.sampled_from(Framework),
    entrypoint=TEXTS,
    signature=SIGNATURES,
    requirements=st.lists(TEXTS).map(tuple),
    description=TEXTS,
    sha256=st.just("0" * 64),
    size_bytes=NUMBERS,
    create_time=TIMES,
    creator=TEXTS,
)
MODELS = st.builds(
    Model,
    key=KEYS,
    display_name=TEXTS,
    description=TEXTS,
    create_time=TIMES,
    update_time=TIMES,
    aliases=st.dictionaries(IDS, NUMBERS, max_size=3),
    latest_version=NUMBERS,
    revision=NUMBERS,
)


@given(VERSIONS)
def test_a_version_survives_its_message(version: ModelVersion) -> None:
    assert convert.version_from_proto(convert.version_to_proto(version)) == version


@given(MODELS)
def test_a_models_message_tells_all_of_it(model: Model) -> None:
    message = convert.model_to_proto(model)
    assert convert.model_key(message.name) == model.key
    assert (message.display_name, message.description) == (model.display_name, model.description)
    assert dict(message.aliases) == model.aliases
    assert (message.latest_version, message.etag) == (model.latest_version, model.etag)
    assert convert.time_from_proto(message.create_time) == model.create_time
    assert convert.time_from_proto(message.update_time) == model.update_time


@given(MODELS, TIMES)
def test_every_change_of_a_model_changes_its_etag(model: Model, now: datetime) -> None:
    changed = model.changed(now, description="other")
    assert changed.etag != model.etag
    assert changed.update_time >= model.update_time
