from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Kea
from fake_gateway import FakeGateway
from kea_sdk.cli.main import run


def test_whoami_shows_what_the_token_says(kea: Kea) -> None:
    assert [line.split(maxsplit=1) for line in kea("auth", "whoami").lines][:2] == [
        ["you", "user:ada"],
        ["groups", "Teachers"],
    ]
    assert kea("auth", "whoami", "-o", "yaml").yaml["subject"] == "users/ada"
    assert kea("auth", "whoami", "-o", "json").json["scopes"] == ["viewer"]


def test_bindings_are_made_listed_and_taken_back(kea: Kea) -> None:
    assert kea("auth", "bind", "group:Teachers", "consumer", "--on", "iris/get_grades").out == (
        "group:Teachers is consumer on iris/get_grades\n"
    )
    made = kea("auth", "bind", "user:ada", "viewer", "-o", "json").json
    assert (made["member"], made["role"], made["resource"]) == ("users/ada", "viewer", "projects/default")
    assert kea("auth", "bind", "everyone", "viewer", "--on", "platform").out == "everyone is viewer on platform\n"
    listed = [line.split() for line in kea("auth", "bindings").lines]
    assert listed[0] == ["MEMBER", "ROLE", "ON", "AGE", "BY"]
    assert [line[:3] for line in listed[1:]] == [
        ["group:Teachers", "consumer", "iris/get_grades"],
        ["user:ada", "viewer", "projects/default"],
    ]
    assert listed[1][-1] == "user:admin"
    assert len(kea("auth", "bindings", "--on", "platform", "-o", "json").json) == 3
    assert len(kea("auth", "bindings", "--member", "user:ada", "-o", "yaml").yaml) == 1
    assert kea("auth", "unbind", "user:ada", "viewer").out == "no more: user:ada is viewer on projects/default\n"
    gone = kea("auth", "unbind", "everyone", "viewer", "--on", "platform", "-o", "json").json
    assert gone == {"member": "everyone", "role": "viewer", "resource": "", "deleted": True}
    assert kea("auth", "unbind", "user:ada", "viewer", fails=3).err == (
        "error: there is no such binding [BINDING_NOT_FOUND]\n"
    )


def test_the_project_is_that_of_the_command_line(kea: Kea, gateway: FakeGateway) -> None:
    kea("auth", "bind", "user:ada", "viewer", "--project", "lab")
    kea("auth", "bind", "user:ada", "viewer", "--on", "models/iris", "--project", "lab")
    assert sorted(key[2] for key in gateway.access.bindings) == ["projects/lab", "projects/lab/models/iris"]


def test_can_i_says_yes_or_no_and_so_does_its_exit_code(
    kea: Kea, gateway: FakeGateway, capsys: pytest.CaptureFixture[str]
) -> None:
    kea("auth", "bind", "user:ada", "consumer", "--on", "iris")
    assert kea("auth", "can-i", "call", "iris").out == "yes: by a binding\n"
    assert kea("auth", "can-i", "call", "iris", "-o", "json").json["binding"]["role"] == "consumer"
    assert run(["auth", "can-i", "call", "iris", "--as", "account:ci", "--group", "Teachers", "--group", "x y"]) == 1
    assert capsys.readouterr() == ("no: nothing gives serviceAccounts/ci that\n", "")
    assert list(gateway.access.checked[-1].groups) == ["Teachers", "x y"]
    assert run(["auth", "can-i", "router.endpoints.get", "-o", "json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found == {
        "permission": "router.endpoints.get",
        "resource": "projects/default",
        "allowed": False,
        "binding": None,
        "explanation": "nothing gives users/ada that",
    }


def test_roles_are_made_shown_changed_and_deleted(kea: Kea) -> None:
    made = kea("auth", "roles", "create", "teacher", "--permission", "*.*.get", "--permission", "registry.models.list")
    assert made.out == "made role teacher\n"
    lines = kea("auth", "roles", "list").lines
    assert lines[0].split() == ["ROLE", "BUILT", "IN", "PERMISSIONS", "DESCRIPTION"]
    assert lines[2].split() == ["teacher", "*.*.get,", "registry.models.list"]
    shown = kea("auth", "roles", "get", "teacher").lines
    assert shown[0].split() == ["role", "teacher"]
    assert shown[2].split() == ["registry.models.list"]
    changed = kea("auth", "roles", "update", "teacher", "--permission", "*.*.list", "-o", "json").json
    assert changed["permissions"] == ["*.*.list"]
    assert kea("auth", "roles", "update", "teacher", "--description", "x").out == "changed role teacher\n"
    assert "nothing is to be changed" in kea("auth", "roles", "update", "teacher", fails=6).err
    assert kea("auth", "roles", "delete", "teacher", "-o", "yaml").yaml == {"role": "teacher", "deleted": True}
    assert kea("auth", "roles", "get", "teacher", fails=3).err == "error: there is no such role [ROLE_NOT_FOUND]\n"
    assert kea("auth", "roles", "create", "teacher", fails=2).err.startswith("error: Missing option '--permission'")


def test_accounts_are_made_shown_disabled_and_deleted(kea: Kea) -> None:
    made = kea("auth", "accounts", "create", "ci", "--description", "builds")
    assert (made.out, made.err) == (
        "made account ci\n",
        "note: it may do nothing yet; to give it a role: kea auth bind account:ci ROLE --on RESOURCE\n",
    )
    assert kea("auth", "accounts", "disable", "ci").out == "disabled account ci\n"
    assert kea("auth", "accounts", "list").lines[1].split()[:2] == ["ci", "disabled"]
    assert kea("auth", "accounts", "enable", "ci", "-o", "json").json["disabled"] is False
    assert kea("auth", "accounts", "get", "ci").lines[1].split() == ["member", "account:ci"]
    assert kea("auth", "accounts", "delete", "ci").out == "deleted account ci\n"
    assert kea("auth", "accounts", "get", "ci", fails=3).err == (
        "error: there is no such service account [SERVICE_ACCOUNT_NOT_FOUND]\n"
    )


def test_a_key_alone_is_on_stdout(kea: Kea, gateway: FakeGateway) -> None:
    kea("auth", "accounts", "create", "ci")
    made = kea("auth", "keys", "create", "ci", "--scope", "consumer", "--expires", "30d", "--description", "for builds")
    assert made.out == "eyJ.secret.key\n"
    assert made.err == (
        "note: key key-00000 of account ci is shown only now; to revoke it: kea auth keys revoke ci key-00000\n"
    )
    shown = kea("auth", "keys", "create", "ci", "-o", "json")
    assert (shown.json["token"], shown.err) == ("eyJ.secret.key", "")
    listed = kea("auth", "keys", "list", "ci")
    assert "secret" not in listed.out
    assert [line.split()[:2] for line in listed.lines[1:]] == [["key-00001", "ACTIVE"], ["key-00000", "ACTIVE"]]
    assert listed.lines[2].split()[2] == "consumer"
    assert "29d" in listed.lines[2]
    assert kea("auth", "keys", "revoke", "ci", "key-00000").out == "revoked key key-00000 of account ci\n"
    assert kea("auth", "keys", "list", "ci", "-o", "yaml").yaml[1]["state"] == "REVOKED"
    kea("auth", "keys", "create", "nobody", fails=3)
    assert "expected one minute to 400 days" in kea("auth", "keys", "create", "ci", "--expires", "500d", fails=6).err


def test_tokens_are_revoked(kea: Kea, gateway: FakeGateway) -> None:
    assert kea("auth", "revoke").out == "revoked your token\n"
    assert kea("auth", "revoke", "0f8fad5b-d9cb").out == "revoked 0f8fad5b-d9cb\n"
    assert kea("auth", "revoke", "0f8fad5b-d9cb", "-o", "json").json == {"token": "0f8fad5b-d9cb", "revoked": True}
    assert gateway.access.revoked == ["own", "0f8fad5b-d9cb", "0f8fad5b-d9cb"]


def test_the_token_of_this_machines_platform_is_not_revoked_by_mistake(
    kea: Kea, gateway: FakeGateway, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KEA_TOKEN")
    (home / "data" / "admin.token").write_text("good\n")
    (home / "data" / "platform.json").write_text(json.dumps({"url": gateway.url}))
    assert kea("auth", "revoke", fails=5).err == (
        "error: the token is that of this machine's KEA, which all commands use; give --token, or a TOKEN_ID "
        "[TOKEN_OF_PLATFORM]\n"
    )
    kea("auth", "revoke", "--token", "good")
    assert gateway.access.revoked == ["own"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("bind", "ada", "viewer"), "'ada' names no member; expected user:NAME, group:NAME, account:NAME or everyone"),
        (("bind", "user:ada", "Viewer"), "'Viewer' names no role; expected for example consumer"),
        (("bind", "user:ada", "viewer", "--on", "models"), "'models' names no resource; expected platform, project, "),
        (("can-i", "push", "iris"), "push does not go with 'iris' (endpoint); push: model"),
        (("can-i", "call", "iris", "--as", "everyone"), "'everyone' names nobody; expected user:NAME or account:NAME"),
        (("can-i", "call", "iris", "--group", "x"), "groups are taken from the token unless somebody is asked about"),
        (("keys", "list", "CI"), "'CI' names no service account; expected for example ci"),
        (("keys", "revoke", "ci", "eyJ.a.b"), "that is no token's id; expected 8 to 64 letters, digits and hyphens"),
    ],
)
def test_what_means_nothing_is_said_in_one_line(
    kea: Kea, gateway: FakeGateway, arguments: tuple[str, ...], problem: str
) -> None:
    done = kea("auth", *arguments, fails=6)
    assert done.err.startswith(f"error: {problem}")
    assert done.err.count("\n") == 1
    assert gateway.world.calls == []
