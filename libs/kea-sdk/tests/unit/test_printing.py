from __future__ import annotations

import enum
import json
from datetime import UTC, datetime, timedelta

import pytest
import yaml
from kea_openapi.signature import Datatype, Field, Method, Signature, TensorType
from kea_sdk.cli.printing import age, document, print_data, print_details, print_text, size
from kea_sdk.cli.shared_options import Output
from kea_sdk.resources import Target
from kea_sdk.signature_text import method_text

FIELD = Field("input", TensorType(Datatype.FP64, (-1, 4)))
SIGNATURE = Signature((Method("predict", (FIELD,), (FIELD,)),), "predict")


class State(enum.StrEnum):
    READY = "ready"


DATA = {
    "target": Target(deployment="iris-v1", weight=10_000),
    "states": (State.READY,),
    "text": "grün\n2",
    "none": None,
}
PLAIN = {"target": {"deployment": "iris-v1", "weight": 10_000}, "states": ["ready"], "text": "grün\n2", "none": None}


def test_json_and_yaml_say_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    print_data(DATA, (), Output.JSON)
    text = capsys.readouterr().out
    assert json.loads(text) == PLAIN
    assert "grün" in text
    print_data(DATA, (), Output.YAML)
    text = capsys.readouterr().out
    assert yaml.safe_load(text) == PLAIN
    assert "grün" in text


def test_a_person_reads_a_text_and_a_program_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    for output, text in (
        (None, "made it\n"),
        (Output.TABLE, "made it\n"),
        (Output.JSON, "{}\n"),
        (Output.YAML, "{}\n"),
    ):
        print_text({}, "made it", output)
        assert capsys.readouterr().out == text


def test_values_that_stand_twice_are_written_twice(capsys: pytest.CaptureFixture[str]) -> None:
    print_data({"signature": SIGNATURE}, (), Output.YAML)
    text = capsys.readouterr().out
    assert "&id" not in text
    assert yaml.safe_load(text)["signature"]["methods"][0]["inputs"][0]["tensor"] == {
        "datatype": "FP64",
        "shape": [-1, 4],
    }


def test_moments_are_written_in_universal_time() -> None:
    assert document(datetime(2026, 1, 31, 12, tzinfo=UTC)) == "2026-01-31T12:00:00Z"


@pytest.mark.parametrize("output", [None, Output.TABLE])
def test_a_table_has_columns_as_wide_as_their_cells(capsys: pytest.CaptureFixture[str], output: Output | None) -> None:
    rows = [{"name": "iris", "what": "花", "note": ""}, {"name": "a", "what": "b", "note": "c"}]
    print_data(None, rows, output)
    assert capsys.readouterr().out.splitlines() == ["NAME   WHAT   NOTE", "iris   花", "a      b      c"]


def test_an_empty_table_is_nothing_on_stdout_and_a_word_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    print_data([], (), None)
    assert capsys.readouterr() == ("", "nothing found\n")
    print_data([], (), Output.JSON)
    assert capsys.readouterr() == ("[]\n", "")


def test_what_others_wrote_leaves_the_terminal_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_data(None, [{"description": "\x1b[31mred\x07\r"}], None)
    print_details(None, {"description": "\x1b]0;title\x07\nnext"}, None)
    assert "\x1b" not in (text := capsys.readouterr().out)
    assert "\x07" not in text


def test_details_leave_out_what_is_empty_and_align_what_has_several_lines(capsys: pytest.CaptureFixture[str]) -> None:
    print_details(None, {"version": "iris:1", "description": "", "blank": "\n", "methods": "one\ntwo"}, None)
    assert capsys.readouterr().out == "version      iris:1\nmethods      one\n             two\n"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (59, "59s"), (60, "1m"), (7200, "2h"), (3 * 86400, "3d"), (-5, "0s")]
)
def test_ages_are_said_as_people_do(seconds: int, text: str) -> None:
    assert age(datetime.now(UTC) - timedelta(seconds=seconds)) == text


def test_no_time_has_no_age() -> None:
    assert age(None) == ""


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (123_456, "123 kB"), (5_000_000_000, "5.0 GB"), (10**13, "10.0 TB")],
)
def test_sizes_are_said_as_people_do(count: int, text: str) -> None:
    assert size(count) == text


def test_methods_are_written_as_in_python() -> None:
    schema = Field("who", json_schema={"type": ["string", "null"]}, required=False)
    method = Method("greet", (FIELD, schema, Field("any", json_schema={})), ())
    assert method_text(method) == "greet(input: FP64[?, 4], who: string | null = …, any: any) -> nothing"
