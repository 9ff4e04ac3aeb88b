"""What people read and write about access is what services ask for."""

from __future__ import annotations

import re

import pytest
from api_protos import methods
from kea_core.access import FOREIGN
from kea_core.permission import INVOKE
from kea_core.roles import BUILT_IN
from kea_openapi import proto_options
from kea_sdk.access_words import VERBS
from workspace import ROOT

ASKED = (
    {proto_options.access(method).permission for method in methods().values()}
    | {access.permission for access in FOREIGN.values()}
    | {INVOKE}
)
PAGE = (ROOT / "docs" / "access.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("verb", list(VERBS))
def test_a_verb_means_what_some_method_asks_for(verb: str) -> None:
    assert set(VERBS[verb].values()) <= ASKED


def test_the_page_about_access_lists_the_roles_as_they_are() -> None:
    rows = re.findall(r"^\| `([a-z]+)` \| [^|]+ \| ((?:`[^`]+`(?:, )?)+) \|$", PAGE, re.MULTILINE)
    listed = {role: tuple(re.findall(r"`([^`]+)`", permissions)) for role, permissions in rows}
    assert listed == {role: grants for role, grants in BUILT_IN.items() if not role.startswith("service-")}
