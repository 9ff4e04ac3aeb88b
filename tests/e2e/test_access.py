"""Who may do what, from the command line to the gateway."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

import httpx
import numpy as np
import pytest
import tritonclient.grpc as triton
from platforms import KEA, RunningPlatform, environment, until
from tritonclient.utils import InferenceServerException

WITHIN_SECONDS = 2.0
"""Every change of what somebody may do holds within that."""
STUDENT = {"name": "student", "shape": [1], "datatype": "BYTES", "data": ["anton"]}
GRPC_STATUS = {"OK": 200, "PERMISSION_DENIED": 403, "UNAUTHENTICATED": 401, "NOT_FOUND": 404}
METHODS = ("get_grades", "set_grades")


@dataclass(frozen=True, slots=True)
class Program:
    """Calls the example with a key, in every protocol; tells statuses as HTTP's."""

    platform: RunningPlatform
    key: str
    id: str

    def post(self, path: str, body: Any) -> int:
        headers = {"authorization": f"Bearer {self.key}"}
        return httpx.post(self.platform.url + path, json=body, headers=headers, trust_env=False).status_code

    def typed(self, method: str) -> int:
        return self.post(f"/models/grades/{method}", {"student": "anton"} | ({"grades": []} if "set" in method else {}))

    def validate(self, method: str) -> int:
        return self.post(f"/models/grades/{method}:validate", {"student": "anton"})

    def v2(self, model: str) -> int:
        return self.post(f"/v2/models/{model}/infer", {"inputs": [STUDENT]})

    def grpc(self, model: str, **more: str) -> int:
        tensor = triton.InferInput("student", [1], "BYTES")
        tensor.set_data_from_numpy(np.array([b"anton"], dtype=np.object_))
        headers = {"authorization": f"Bearer {self.key}", **more}
        with triton.InferenceServerClient(f"127.0.0.1:{self.platform.port}") as client:
            try:
                client.infer(model, [tensor], headers=headers)
            except InferenceServerException as error:
                return GRPC_STATUS[str(error.status()).removeprefix("StatusCode.")]
        return 200

    def lists(self, what: str) -> tuple[int, list[str]]:
        """Returns how a list of the management API is answered, and the ids in it."""
        answer = httpx.get(
            f"{self.platform.url}/api/v1/projects/default/{what}",
            headers={"authorization": f"Bearer {self.key}"},
            trust_env=False,
        )
        found = answer.json().get(what, []) if answer.status_code == 200 else []
        return answer.status_code, [entry["name"].rpartition("/")[2] for entry in found]

    def soon(self, method: str, status: int) -> None:
        """Waits until the method is answered so by every way in, for as long as a change may take."""
        until(lambda: (self.typed(method), self.grpc(f"grades.{method}")) == (status, status), WITHIN_SECONDS)


def program(platform: RunningPlatform, account: str, *options: str) -> Program:
    """Makes an account and a key of it."""
    platform.kea("auth", "accounts", "create", account)
    made = platform.kea_json("auth", "keys", "create", account, *options)
    return Program(platform, made["token"], made["name"])


def bound(platform: RunningPlatform, account: str, on: str) -> Program:
    """Makes an account with a key that may call."""
    made = program(platform, account)
    platform.kea("auth", "bind", f"account:{account}", "consumer", "--on", on)
    return made


def test_a_key_is_all_there_is_on_stdout_and_is_good_at_once(grades: RunningPlatform) -> None:
    grades.kea("auth", "accounts", "create", "quick")
    grades.kea("auth", "bind", "account:quick", "consumer", "--on", "grades")
    key = grades.kea("auth", "keys", "create", "quick", "--expires", "1d").stdout.strip()
    assert grades.kea("auth", "whoami", "--token", key).stdout.splitlines()[0].split() == ["you", "account:quick"]
    Program(grades, key, "").soon("get_grades", 200)


def test_a_role_on_a_method_lets_that_method_be_called_in_every_protocol_and_no_other(grades: RunningPlatform) -> None:
    caller = bound(grades, "one-method", "grades/get_grades")
    caller.soon("get_grades", 200)
    assert [caller.typed(method) for method in METHODS] == [200, 403]
    assert [caller.validate(method) for method in METHODS] == [200, 403]
    assert [caller.v2(f"grades.{method}") for method in METHODS] == [200, 403]
    assert [caller.grpc(f"grades.{method}") for method in METHODS] == [200, 403]


def test_a_call_that_names_no_method_needs_the_endpoint(grades: RunningPlatform) -> None:
    method, endpoint = bound(grades, "of-method", "grades/get_grades"), bound(grades, "of-endpoint", "grades")
    method.soon("get_grades", 200)
    endpoint.soon("get_grades", 200)
    for caller, refused in ((method, True), (endpoint, False)):
        assert (caller.v2("grades") == 403) == refused
        assert (caller.grpc("grades") == 403) == refused
        assert (caller.post("/v1/models/grades:predict", {"instances": []}) == 403) == refused
    assert [endpoint.typed(entry) for entry in METHODS] == [200, 200]
    listed = grades.kea("endpoints", "list", "--token", endpoint.key).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["ENDPOINT", "grades"]  # and no other that there is


@pytest.mark.parametrize("header", ["x-kea-method", "x-kea-model-name", "x-gateway-model-name"])
def test_no_header_of_the_callers_makes_another_method_of_it(grades: RunningPlatform, header: str) -> None:
    caller = bound(grades, f"forger-{header.split('-')[1]}-{header.rpartition('-')[2]}", "grades/get_grades")
    caller.soon("get_grades", 200)
    value = "get_grades" if header == "x-kea-method" else "grades.get_grades"
    assert caller.grpc("grades.set_grades", **{header: value}) == 403
    answer = httpx.post(
        f"{grades.url}/models/grades/set_grades",
        json={"student": "anton", "grades": []},
        headers={"authorization": f"Bearer {caller.key}", header: value},
        trust_env=False,
    )
    assert answer.status_code == 403


def test_a_revoked_key_is_refused_within_two_seconds_wherever_it_is_shown(grades: RunningPlatform) -> None:
    caller = bound(grades, "revoked", "grades")
    grades.kea("auth", "bind", "account:revoked", "viewer")
    caller.soon("get_grades", 200)
    until(lambda: caller.lists("models")[0] == 200, WITHIN_SECONDS)
    token = grades.kea("token", "--token", caller.key).stdout.strip()
    of_token = Program(grades, token, "")
    assert of_token.typed("get_grades") == 200
    grades.kea("auth", "keys", "revoke", "revoked", caller.id)
    caller.soon("get_grades", 401)
    of_token.soon("get_grades", 401)  # made with the key
    until(lambda: (caller.lists("models")[0], of_token.lists("models")[0]) == (401, 401), WITHIN_SECONDS)
    assert grades.kea_json("auth", "keys", "list", "revoked")[0]["state"] == "REVOKED"


def test_what_is_unbound_is_refused_within_two_seconds(grades: RunningPlatform) -> None:
    caller = bound(grades, "unbound", "grades/get_grades")
    caller.soon("get_grades", 200)
    grades.kea("auth", "unbind", "account:unbound", "consumer", "--on", "grades/get_grades")
    caller.soon("get_grades", 403)


def test_a_disabled_account_is_refused_until_it_is_enabled(grades: RunningPlatform) -> None:
    caller = bound(grades, "paused", "grades")
    caller.soon("get_grades", 200)
    grades.kea("auth", "accounts", "disable", "paused")
    caller.soon("get_grades", 401)
    grades.kea("auth", "accounts", "enable", "paused")
    caller.soon("get_grades", 200)
    grades.kea("auth", "accounts", "delete", "paused")
    caller.soon("get_grades", 401)


def test_a_token_is_revoked_by_its_id_and_by_its_owner(grades: RunningPlatform) -> None:
    for arguments in (lambda made: [made["uid"]], lambda made: ["--token", made["access_token"]]):
        made = grades.kea_json("token")
        caller = Program(grades, made["access_token"], made["uid"])
        assert caller.typed("get_grades") == 200
        grades.kea("auth", "revoke", *arguments(made))
        caller.soon("get_grades", 401)
    assert Program(grades, grades.token, "").typed("get_grades") == 200  # what they were made with is still good


def test_a_scope_takes_away_and_never_adds(grades: RunningPlatform) -> None:
    looking = program(grades, "scoped", "--scope", "viewer")
    grades.kea("auth", "bind", "account:scoped", "consumer", "--on", "grades")
    calling = Program(grades, grades.kea("auth", "keys", "create", "scoped", "--scope", "consumer").stdout.strip(), "")
    calling.soon("get_grades", 200)
    assert looking.typed("get_grades") == 403
    assert (looking.lists("endpoints"), calling.lists("models")[0]) == ((200, ["grades"]), 403)
    wider = grades.kea("token", "--scope", "admin", "--token", looking.key, check=False)
    assert (wider.returncode, wider.stderr.rpartition(" ")[2]) == (4, "[SCOPE_NOT_HELD]\n")


def test_a_role_on_the_project_is_one_on_all_in_it_and_goes_with_a_change_of_the_role(grades: RunningPlatform) -> None:
    caller = program(grades, "lister")
    assert caller.lists("models")[0] == 403
    grades.kea("auth", "roles", "create", "looker", "--permission", "registry.models.list")
    grades.kea("auth", "bind", "account:lister", "looker")
    until(lambda: "grades" in caller.lists("models")[1], WITHIN_SECONDS)
    assert caller.typed("get_grades") == 403
    grades.kea("auth", "roles", "update", "looker", "--permission", "router.endpoints.invoke")
    caller.soon("get_grades", 200)
    until(lambda: caller.lists("models")[0] == 403, WITHIN_SECONDS)
    bound_still = grades.kea("auth", "roles", "delete", "looker", check=False)
    assert (bound_still.returncode, bound_still.stderr.rpartition(" ")[2]) == (5, "[ROLE_BOUND]\n")


def test_nobody_gives_what_they_do_not_have(grades: RunningPlatform) -> None:
    grades.kea(
        "auth", "roles", "create", "binder", *(f"--permission=auth.bindings.{verb}" for verb in ("create", "list"))
    )
    caller = program(grades, "climber")
    grades.kea("auth", "bind", "account:climber", "binder")

    def climb(role: str, *on: str) -> tuple[int, str]:
        done = grades.kea("auth", "bind", "account:climber", role, *on, "--token", caller.key, check=False)
        return done.returncode, done.stderr.rpartition(" ")[2].strip()

    until(lambda: climb("admin") == (4, "[ROLE_NOT_HELD]"), WITHIN_SECONDS)
    assert climb("binder", "--on", "platform") == (4, "[PERMISSION_MISSING]")
    assert climb("binder", "--on", "grades") == (0, "")
    listed = grades.kea_json("auth", "bindings", "--member", "account:climber")
    assert sorted(entry["resource"] for entry in listed) == ["projects/default", "projects/default/endpoints/grades"]


def test_can_i_tells_what_the_gateway_will_do(grades: RunningPlatform) -> None:
    caller = bound(grades, "asker", "grades/get_grades")
    caller.soon("get_grades", 200)
    for method, allowed in zip(METHODS, (True, False), strict=True):
        for arguments in (("--as", "account:asker"), ("--token", caller.key)):
            done = grades.kea("auth", "can-i", "call", f"grades/{method}", *arguments, check=False)
            assert (done.returncode, done.stdout.partition(":")[0]) == ((0, "yes") if allowed else (1, "no"))
    other = grades.kea("auth", "can-i", "call", "grades", "--as", "user:ada", "--token", caller.key, check=False)
    assert other.returncode == 4  # only some may ask about others
    grades.kea("auth", "bind", "group:All staff", "consumer", "--on", "grades")
    ada = ("auth", "can-i", "call", "grades", "--as", "user:ada")
    assert grades.kea(*ada, check=False).returncode == 1
    assert grades.kea_json(*ada, "--group", "All staff")["binding"]["member"] == "groups/All staff"


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (("bind", "user:ada", "nothing"), 3, "ROLE_NOT_FOUND"),
        (("bind", "account:nobody", "viewer"), 3, "SERVICE_ACCOUNT_NOT_FOUND"),
        (("unbind", "user:nobody", "viewer"), 3, "BINDING_NOT_FOUND"),
        (("roles", "create", "viewer", "--permission", "*.*.get"), 5, "ROLE_EXISTS"),
        (("roles", "update", "viewer", "--description", "mine"), 5, "ROLE_BUILT_IN"),
        (("roles", "create", "bad", "--permission", "everything"), 6, "FIELD_OUT_OF_BOUNDS"),
        (("accounts", "create", "router"), 6, "SERVICE_ACCOUNT_RESERVED"),
        (("keys", "create", "nobody"), 3, "SERVICE_ACCOUNT_NOT_FOUND"),
        (("revoke",), 5, "TOKEN_OF_PLATFORM"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    grades: RunningPlatform, arguments: tuple[str, ...], code: int, reason: str
) -> None:
    done = grades.kea("auth", *arguments, check=False)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.splitlines()[-1].endswith(f"[{reason}]")


def test_people_with_passwords_are_kept_and_refused(grades: RunningPlatform) -> None:
    def typed(*arguments: str, password: str, check: bool = True) -> str:
        command = [KEA, "auth", "users", *arguments]
        done = subprocess.run(
            command,
            input=f"{password}\n",
            capture_output=True,
            text=True,
            env=environment(grades),
            check=False,
            timeout=60,
        )
        assert (done.returncode == 0) is check, done.stderr
        return done.stdout + done.stderr

    assert typed("create", "eve", "--group", "Lehrkräfte", password="correct horse battery") == "made user eve\n"
    assert "12 to 256" in typed("create", "mallory", password="short", check=False)
    assert "eve" in grades.kea("auth", "users", "list").stdout
    shown = grades.kea_json("auth", "users", "get", "eve")
    assert (shown["groups"], shown["disabled"]) == (["Lehrkräfte"], False)
    assert "horse" not in json.dumps(shown)
    assert typed("password", "eve", password="another horse battery") == "changed the password of user eve\n"
    assert grades.kea("auth", "users", "groups", "eve").stdout == "user eve is in no group\n"
    assert grades.kea("auth", "users", "disable", "eve").stdout == "disabled user eve\n"
    assert grades.kea_json("auth", "users", "get", "user:eve")["disabled"]
    assert grades.kea("auth", "users", "enable", "eve").stdout == "enabled user eve\n"
    assert grades.kea("auth", "users", "delete", "eve").stdout == "deleted user eve\n"
    assert "USER_NOT_FOUND" in grades.kea("auth", "users", "get", "eve", check=False).stderr
