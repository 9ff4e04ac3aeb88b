"""Whose turn it is."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from kea_deployer.domain.build import Build
from kea_deployer.domain.build_queue import AT_ONCE, next_build


def builds(helpers: Any, projects: str) -> list[Build]:
    """Returns a build for each letter, which is its project, each later than the one before."""
    return [
        Build.queue(project, helpers.make_model(), ("linux/amd64",), "r/i:1", helpers.NOON + timedelta(seconds=second))
        for second, project in enumerate(projects)
    ]


def order(queued: list[Build]) -> str:
    """Returns the projects in the order in which builds run, where each ends before the next begins."""
    left, served, found = list(queued), [], ""
    while (build := next_build(left, [], served)) is not None:
        left.remove(build)
        served = [*(project for project in served if project != build.project), build.project]
        found += build.project
    return found


def test_projects_take_turns_however_much_one_of_them_has_queued(helpers: Any) -> None:
    assert order(builds(helpers, "aaaabab")) == "ababaaa"


def test_a_project_comes_first_of_which_nothing_runs(helpers: Any) -> None:
    first, second, other = builds(helpers, "aab")
    assert next_build([second, other], [first], ["b", "a"]) == other
    assert next_build([second], [first], ["a"]) == second


def test_within_a_project_the_oldest_comes_first(helpers: Any) -> None:
    first, second = builds(helpers, "aa")
    assert next_build([second, first], [], []) == first


def test_nothing_begins_while_enough_run(helpers: Any) -> None:
    *running, waiting = builds(helpers, "a" * AT_ONCE + "b")
    assert next_build([waiting], running, []) is None
    assert next_build([], [], []) is None


@given(projects=st.text("abc", min_size=1, max_size=12))
def test_nobody_waits_for_more_than_one_turn_of_each_other(helpers: Any, projects: str) -> None:
    ran = order(builds(helpers, projects))
    assert Counter(ran) == Counter(projects)
    for turn, project in enumerate(ran):
        if project in ran[turn + 1 :]:
            between = ran[turn + 1 : ran.index(project, turn + 1)]
            assert all(count == 1 for count in Counter(between).values())
