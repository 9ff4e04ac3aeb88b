from __future__ import annotations

import json
from pathlib import Path

import pytest
from kea_sdk import SettingsError
from kea_sdk.settings import ClientSettings, config_file, data_directory, database_url, read_settings

HERE = "http://127.0.0.1:8080"
THERE = "https://kea.example.com"


def announce(data: Path, url: str) -> None:
    data.mkdir(parents=True, exist_ok=True)
    (data / "platform.json").write_text(json.dumps({"url": url}))


def configure(home: Path, text: str) -> None:
    (home / "config.yaml").write_text(text)


def read(home: Path, *, url: str | None = None, token: str | None = None, **environment: str) -> ClientSettings:
    return read_settings(url=url, token=token, environment={"KEA_HOME": str(home), **environment})


def test_without_any_word_the_default_is_asked(home: Path) -> None:
    found = read(home)
    assert (found.url, found.project, found.token, found.token_file) == (HERE, "default", "", None)
    assert found.data == home / "data"


def test_arguments_win_over_variables_over_the_file_over_the_running_platform(home: Path) -> None:
    announce(home / "data", "http://127.0.0.1:1")
    assert read(home).url == "http://127.0.0.1:1"
    configure(home, "url: http://127.0.0.1:2\nproject: file\n")
    assert (read(home).url, read(home).project) == ("http://127.0.0.1:2", "file")
    variables = {"KEA_URL": "http://127.0.0.1:3", "KEA_PROJECT": "variable"}
    found = read(home, **variables)
    assert (found.url, found.project) == ("http://127.0.0.1:3", "variable")
    environment = {"KEA_HOME": str(home), **variables}
    found = read_settings(url="http://127.0.0.1:4", project="argument", environment=environment)
    assert (found.url, found.project) == ("http://127.0.0.1:4", "argument")


def test_data_is_where_the_argument_says_then_the_variable_then_the_file(home: Path, tmp_path: Path) -> None:
    configure(home, f"data: {tmp_path / 'file'}\n")
    environment = {"KEA_HOME": str(home)}
    assert data_directory(None, environment) == tmp_path / "file"
    environment["KEA_DATA"] = str(tmp_path / "variable")
    assert data_directory(None, environment) == tmp_path / "variable"
    assert data_directory(tmp_path / "argument", environment) == tmp_path / "argument"


def test_where_data_lies_does_not_depend_on_a_wrong_url(home: Path) -> None:
    assert data_directory(None, {"KEA_HOME": str(home), "KEA_URL": "nonsense"}) == home / "data"


def test_given_tokens_go_wherever_they_are_told_to(home: Path) -> None:
    assert read(home, url=THERE, token="argument", KEA_TOKEN="variable").token.reveal() == "argument"
    assert read(home, url=THERE, KEA_TOKEN=" variable\n").token.reveal() == "variable"


def test_the_token_of_the_file_goes_to_the_url_of_the_file_only(home: Path) -> None:
    configure(home, f"url: {THERE}\ntoken: secret\n")
    assert read(home).token.reveal() == "secret"
    assert read(home, url=f"{THERE}/").token.reveal() == "secret"
    assert not read(home, url="https://elsewhere.example.com").token
    assert not read(home, KEA_URL=HERE).token


def test_the_token_of_a_file_without_url_goes_nowhere_else_than_where_one_gets_without_a_word(home: Path) -> None:
    configure(home, "token: secret\n")
    assert read(home).token.reveal() == "secret"
    assert not read(home, url="https://elsewhere.example.com").token


def test_the_token_of_this_machines_platform_goes_to_what_it_announced_only(home: Path) -> None:
    announce(home / "data", HERE)
    token_file = home / "data" / "admin.token"
    assert read(home).token_file == token_file
    assert read(home, url="http://localhost:8080").token_file == token_file
    for elsewhere in ("http://127.0.0.1:9090", "https://127.0.0.1:8080", THERE):
        assert read(home, url=elsewhere).token_file is None
    assert read(home, KEA_TOKEN="given").token_file is None


def test_of_several_platforms_on_a_machine_each_gets_its_own_token(home: Path, tmp_path: Path) -> None:
    announce(home / "data", HERE)
    announce(tmp_path / "other", "http://127.0.0.1:9090")
    other = read(home, KEA_DATA=str(tmp_path / "other"))
    assert (other.url, other.token_file) == ("http://127.0.0.1:9090", tmp_path / "other" / "admin.token")
    assert read(home, KEA_DATA=str(tmp_path / "other"), KEA_URL=HERE).token_file is None


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"url": 7}', '{"url": "nonsense"}', "\udcff"])
def test_an_announcement_that_cannot_be_read_is_none(home: Path, content: str) -> None:
    (home / "data" / "platform.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    assert (read(home).url, read(home).token_file) == (HERE, None)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "snowman☃", "x" * 70_000])
def test_what_cannot_stand_in_a_header_is_refused_without_showing_it(home: Path, token: str) -> None:
    with pytest.raises(SettingsError, match=r"^KEA_TOKEN is no token") as caught:
        read(home, KEA_TOKEN=token)
    assert token not in str(caught.value)


def test_tokens_do_not_show_in_reprs(home: Path) -> None:
    found = read(home, token="very-secret")
    assert "very-secret" not in f"{found!r} {found.token!r} {found.token}"


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("token: [secret", "config.yaml is not YAML, at line 1"),
        ("a: b\ntoken: secret: secret", "config.yaml is not YAML, at line 2"),
        ("\x00", "config.yaml is not YAML"),
        ("- url", "must be a mapping with any of url, token, project, data, database"),
        ("urls: x", "has unknown keys urls"),
        ("token: [secret]", "token must be text"),
        ("project: 7", "project must be text"),
        ("url: nonsense", "'nonsense' is not KEA's address"),
        ("token: sec ret", "is no token"),
    ],
)
def test_a_file_that_is_wrong_is_said_in_one_line_without_its_text(home: Path, content: str, problem: str) -> None:
    configure(home, content)
    with pytest.raises(SettingsError) as caught:
        read(home)
    assert problem in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_cannot_be_read_is_said(home: Path) -> None:
    (home / "config.yaml").mkdir()
    with pytest.raises(SettingsError, match=r"config\.yaml cannot be read: Is a directory$"):
        read(home)


def test_an_empty_file_says_nothing(home: Path) -> None:
    configure(home, "# nothing\nurl:\n")
    assert read(home).url == HERE


def test_the_file_is_in_keas_home_or_where_the_system_keeps_such_files(home: Path) -> None:
    assert config_file({"KEA_HOME": "~/kea"}) == Path.home() / "kea" / "config.yaml"
    assert config_file({}).parts[-2:] == ("kea", "config.yaml")


def test_the_database_is_of_the_variable_then_of_the_file(home: Path) -> None:
    environment = {"KEA_HOME": str(home)}
    assert database_url(environment) == ""
    configure(home, "database: postgresql://file\n")
    assert database_url(environment).reveal() == "postgresql://file"
    environment["KEA_DATABASE"] = "postgresql://variable"
    assert database_url(environment).reveal() == "postgresql://variable"


def test_a_database_of_another_kind_is_refused_without_showing_it(home: Path) -> None:
    with pytest.raises(SettingsError, match=r"expected postgresql://") as caught:
        database_url({"KEA_HOME": str(home), "KEA_DATABASE": "mysql://root:hunter2@db"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "target", "secure", "loopback"),
    [
        (HERE, "127.0.0.1:8080", False, True),
        (THERE, "kea.example.com:443", True, False),
        ("http://[::1]", "[::1]:80", False, True),
    ],
)
def test_grpc_is_told_the_same_place(home: Path, url: str, target: str, *, secure: bool, loopback: bool) -> None:
    found = read(home, url=url)
    assert (found.target, found.secure, found.loopback) == (target, secure, loopback)
