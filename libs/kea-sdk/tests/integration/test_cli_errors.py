from __future__ import annotations

import re
import subprocess
import sys

import grpc
import pytest
from command_line import Kea, command_line
from fake_gateway import FakeGateway
from kea_sdk.cli.main import run

CODES = {
    grpc.StatusCode.CANCELLED: 1,
    grpc.StatusCode.UNKNOWN: 1,
    grpc.StatusCode.INVALID_ARGUMENT: 6,
    grpc.StatusCode.DEADLINE_EXCEEDED: 7,
    grpc.StatusCode.NOT_FOUND: 3,
    grpc.StatusCode.ALREADY_EXISTS: 5,
    grpc.StatusCode.PERMISSION_DENIED: 4,
    grpc.StatusCode.UNAUTHENTICATED: 4,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 7,
    grpc.StatusCode.FAILED_PRECONDITION: 5,
    grpc.StatusCode.ABORTED: 5,
    grpc.StatusCode.OUT_OF_RANGE: 6,
    grpc.StatusCode.UNIMPLEMENTED: 3,
    grpc.StatusCode.INTERNAL: 1,
    grpc.StatusCode.UNAVAILABLE: 7,
    grpc.StatusCode.DATA_LOSS: 1,
}


@pytest.mark.parametrize("status", list(CODES), ids=lambda status: status.name)
def test_every_status_ends_in_a_line_and_its_exit_code(
    kea: Kea, gateway: FakeGateway, status: grpc.StatusCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kea_sdk.gateway.FIRST_PAUSE_SECONDS", 0.0)
    gateway.world.failing["DeleteModel"] = status
    done = kea("models", "delete", "iris", "-o", "json", fails=CODES[status])
    assert re.fullmatch(r"error: DeleteModel is not for you \[[A-Z_]+\]\n", done.err)


def test_every_status_but_ok_has_an_exit_code() -> None:
    assert set(CODES) == set(grpc.StatusCode) - {grpc.StatusCode.OK}


@pytest.mark.parametrize(
    "arguments",
    [
        ("models", "list"),
        ("models", "get", "iris"),
        ("models", "get", "iris:1"),
        ("models", "alias", "iris", "a", "1"),
        ("models", "delete", "iris"),
        ("endpoints", "list"),
        ("endpoints", "get", "iris"),
        ("deploy", "iris"),
        ("undeploy", "iris"),
        ("logs", "iris"),
        ("predict", "iris", "-d", "[[1]]"),
        ("token",),
        ("auth", "whoami"),
        ("auth", "can-i", "call", "iris"),
        ("auth", "bind", "user:ada", "consumer"),
        ("auth", "unbind", "user:ada", "consumer"),
        ("auth", "bindings"),
        ("auth", "revoke"),
        ("auth", "roles", "list"),
        ("auth", "accounts", "disable", "ci"),
        ("auth", "keys", "create", "ci"),
    ],
    ids=" ".join,
)
@pytest.mark.parametrize("output", ["table", "json", "yaml"])
def test_who_is_not_known_is_refused_on_stderr_in_whatever_form(
    kea: Kea, arguments: tuple[str, ...], output: str
) -> None:
    done = kea(*arguments, "-o", output, "--token", "some-secret-token", fails=4)
    assert re.fullmatch(r"error: the token is not accepted \[[A-Z_]+\]\n", done.err)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("models", "push"), "error: Missing argument 'NAME'; see `kea models push --help`\n"),
        (("models", "list", "--nope"), "error: No such option: --nope"),
        (("nothing",), "error: No such command 'nothing'; see `kea --help`\n"),
        (("models", "list", "-o", "xml"), "error: Invalid value for '--output' / '-o': 'xml' is not one of"),
        (("up", "--port", "0"), "error: Invalid value for '--port'"),
        (("token", "--ttl", "1w"), "error: Invalid value for '--ttl': '1w' is no duration; expected for example 90s"),
        (("models", "alias", "iris", "a", "x"), "error: Invalid value for 'VERSION'"),
        (("deploy", "iris", "--replicas", "-1"), "error: Invalid value for '--replicas'"),
        (("predict", "iris"), "error: Missing option '--inputs' / '-d'"),
    ],
)
def test_a_wrong_command_line_is_said_in_one_line(kea: Kea, arguments: tuple[str, ...], problem: str) -> None:
    done = kea(*arguments, fails=2)
    assert done.err.startswith(problem)
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("arguments", [(), ("models",), ("endpoints",), ("auth",), ("auth", "keys")])
def test_without_a_command_help_is_printed(kea: Kea, arguments: tuple[str, ...]) -> None:
    done = kea(*arguments, fails=2)
    assert (done.out.count("Usage: kea"), done.err) == (1, "")


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("up",),
        ("models", "push"),
        ("models", "get"),
        ("deploy",),
        ("predict",),
        ("token",),
        ("auth", "can-i"),
        ("auth", "keys", "create"),
    ],
    ids=" ".join,
)
def test_help_tells_options_and_ends_well(kea: Kea, arguments: tuple[str, ...]) -> None:
    for option in ("-h", "--help"):
        text = kea(*arguments, option).out
        assert "--output" in text
        assert "KEA_TOKEN" in text


def test_the_version_is_printed(kea: Kea) -> None:
    assert re.fullmatch(r"kea \d+\.\d+\.\d+\n", kea("--version").out)


def test_options_may_stand_before_the_command_and_behind_it_wins(kea: Kea) -> None:
    assert kea("-o", "json", "models", "list").json == []
    assert kea("-o", "json", "models", "list", "-o", "yaml").out == "[]\n"
    assert kea("--url", "nonsense", "models", "list", fails=6).err == (
        "error: 'nonsense' is not KEA's address; expected http://HOST:PORT or https://HOST [SETTINGS_INVALID]\n"
    )


@pytest.mark.parametrize("arguments", [("models", "list"), ("predict", "iris", "-d", "[[1]]")])
def test_a_token_that_cannot_be_sent_is_refused_without_showing_it(
    gateway: FakeGateway, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("KEA_TOKEN", "hunter2\nhunter2")
    monkeypatch.setenv("KEA_URL", gateway.url)
    monkeypatch.setenv("KEA_DEBUG", "1")
    assert run(arguments) == 6
    out, err = capfd.readouterr()  # also what libraries write past Python
    assert out == ""
    assert "hunter2" not in err
    assert gateway.world.calls == []


def test_debugging_shows_the_traceback_and_keeps_the_code(kea: Kea, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEA_DEBUG", "1")
    code = run(["models", "get", "iris"])
    assert code == 3


def test_what_nobody_foresaw_says_its_kind_and_how_to_see_more(kea: Kea, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_self: object) -> None:
        raise KeyError("x")  # noqa: EM101 - as Python raises it

    monkeypatch.setattr("kea_sdk.client.Client.models", broken)
    assert kea("models", "list", fails=1).err == "error: KeyError: 'x'; KEA_DEBUG=1 shows more\n"


def test_ctrl_c_ends_with_the_code_of_shells(kea: Kea, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_self: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kea_sdk.client.Client.models", interrupted)
    assert kea("models", "list", fails=130).err == ""


@pytest.mark.parametrize("command", ["models list", "models list -o json", "--help", "--version", "logs iris -f"])
def test_output_that_nobody_reads_any_more_is_no_failure(gateway: FakeGateway, command: str, client: object) -> None:
    from kea.registry.v1 import model_pb2

    for number in range(400 if "list" in command else 1):  # more than a pipe holds
        name = f"projects/default/models/m{number}"
        gateway.world.models[name] = model_pb2.Model(name=name)
    line = f"{sys.executable} -m kea_sdk.cli --url {gateway.url} --token good {command}"
    done = subprocess.run(  # noqa: S602 - a pipe is what is tested
        f"set -o pipefail; {line} | true",
        shell=True,
        executable="/bin/bash",
        capture_output=True,
        text=True,
        check=False,
    )
    expected = (3, "error: there is no such deployment [DEPLOYMENT_NOT_FOUND]\n") if "logs" in command else (0, "")
    assert (done.returncode, done.stderr) == expected


def test_a_full_disk_is_a_failure(gateway: FakeGateway) -> None:
    line = f"{sys.executable} -m kea_sdk.cli --url {gateway.url} --token good models list -o json > /dev/full"
    done = subprocess.run(line, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - as above
    assert (done.returncode, done.stderr) == (
        1,
        "error: OSError: [Errno 28] No space left on device; KEA_DEBUG=1 shows more\n",
    )


def test_progress_is_shown_on_a_terminal_only(
    kea: Kea, gateway: FakeGateway, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # as CI systems set it
    assert "taking" not in kea("undeploy", "iris", fails=3).err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    monkeypatch.setenv("KEA_URL", gateway.url)
    assert run(["undeploy", "iris"]) == 3
    assert "taking iris down" in capsys.readouterr().err


def test_a_certificate_is_asked_for_where_the_address_says_so(
    gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    kea = command_line(capsys, "--url", gateway.url.replace("http:", "https:"), "--token", "good")
    assert kea("predict", "iris", "-d", "[[1]]", fails=7).err.startswith("error: no trusted connection to https://")
