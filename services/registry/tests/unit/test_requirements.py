from __future__ import annotations

import pytest
from kea_registry.domain.errors import RequirementsInvalid
from kea_registry.domain.requirements import check_requirements


def test_requirements_are_taken_as_they_are() -> None:
    lines = ["numpy>=2", 'pandas[all]~=2.2; python_version < "3.13"', "x @ https://example.com/x.whl"]
    assert check_requirements([f" {line} " for line in lines]) == tuple(lines)
    assert check_requirements([]) == ()


def test_each_line_that_is_none_is_named() -> None:
    with pytest.raises(RequirementsInvalid) as caught:
        check_requirements(["numpy", "", "-r other.txt", "--index-url x", "a b", "y @ file:///etc/passwd", "./local"])
    assert [entry.field.partition("[")[2] for entry in caught.value.violations] == ["1]", "2]", "3]", "4]", "5]", "6]"]
    assert caught.value.metadata["count"] == "6"


def test_no_more_than_twenty_are_named() -> None:
    with pytest.raises(RequirementsInvalid) as caught:
        check_requirements(["-x"] * 50)
    assert len(caught.value.violations) == 20
