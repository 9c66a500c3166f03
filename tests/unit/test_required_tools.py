"""What is said of tests whose tools are missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.required_tools import Tool, need, skip_summary

NOWHERE = Tool("a-package", ("gonets-needs-no-such-program",))


def test_a_tool_is_found_under_any_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "other-name"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert need(Tool("a-package", ("name", "other-name"))) == str(program)


def test_without_its_tool_a_test_is_skipped_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="apt install a-package"):
        need(NOWHERE)


def test_where_everything_is_to_be_tested_a_missing_tool_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="apt install a-package"):
        need(NOWHERE)


def test_the_last_lines_tell_each_reason_once_with_how_many_tests_it_kept_from_running() -> None:
    assert skip_summary({"no pgbouncer": 5, "no root": 1}) == (
        "Everything passes but what was not run:\n  5 skipped: no pgbouncer\n  1 skipped: no root"
    )


def test_the_last_line_says_when_nothing_was_skipped() -> None:
    assert skip_summary({}) == "Everything passes."
