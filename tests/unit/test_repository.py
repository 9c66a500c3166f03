"""What stands around the code says what is true: workflows, hooks, templates, the version, the lists in docs/."""

from __future__ import annotations

import re
from configparser import ConfigParser
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from shared.version import VERSION
from tests.database import ROOT

WRITTEN_IN_YAML = [*sorted((ROOT / ".github").rglob("*.yml")), ROOT / ".pre-commit-config.yaml"]


def read(path: str | Path) -> Any:
    return yaml.safe_load((ROOT / path).read_text())


def setup() -> ConfigParser:
    found = ConfigParser()
    found.read(ROOT / "setup.cfg")
    return found


@pytest.fixture(scope="module")
def workflow() -> dict[str, Any]:
    found: dict[str, Any] = read(".github/workflows/tests.yml")
    return found


@pytest.mark.parametrize("path", WRITTEN_IN_YAML, ids=lambda path: path.name)
def test_yaml_can_be_read(path: Path) -> None:
    assert isinstance(read(path), dict)


def test_the_matrix_is_what_setup_cfg_and_the_readme_claim(workflow: dict[str, Any]) -> None:
    claimed = re.findall(r"Programming Language :: Python :: (3\.\d+)$", setup()["metadata"]["classifiers"], re.M)
    servers = re.search(r"PostgreSQL (\d+) to (\d+)", (ROOT / "README.md").read_text())
    assert servers

    matrix = workflow["jobs"]["tests"]["strategy"]["matrix"]
    assert matrix["python"] == claimed
    assert matrix["postgresql"] == [str(number) for number in range(int(servers[1]), int(servers[2]) + 1)]
    assert setup()["options"]["python_requires"] == f">={claimed[0]}"


def test_actions_are_pinned_by_their_major_version(workflow: dict[str, Any]) -> None:
    used = [step["uses"] for job in workflow["jobs"].values() for step in job["steps"] if "uses" in step]

    assert used
    assert [action for action in used if not re.fullmatch(r"actions/[a-z-]+@v\d+", action)] == []


def test_what_a_workflow_runs_is_there(workflow: dict[str, Any]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    commands = [step["run"].split() for job in workflow["jobs"].values() for step in job["steps"] if "run" in step]
    made = {target for program, *names in commands if program in (".ci/run", "make") for target in names}

    assert {"lint", "tests", "clients"} == made <= targets


def test_hooks_download_nothing_and_run_tools_of_make() -> None:
    hooks = [
        (repo["repo"], hook["entry"]) for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]
    ]

    assert hooks
    assert all(repo == "local" and entry.startswith(("make ", ".venv/bin/python -m ruff ")) for repo, entry in hooks)


def test_the_version_stands_in_one_place_and_leads_the_changelog() -> None:
    assert setup()["metadata"]["version"] == "attr: shared.version.VERSION"
    headings = re.findall(r"^## \[(.+?)\](?: - \d{4}-\d\d-\d\d)?$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert headings[:2] == ["Unreleased", VERSION]
    assert f"| {VERSION} |" in (ROOT / "docs" / "upgrading.md").read_text()


def test_every_revision_says_what_it_locks() -> None:
    listed = re.findall(r"^\| (\d{4}(?:, \d{4})*) \|", (ROOT / "docs" / "upgrading.md").read_text(), re.M)

    revisions = [path.name[:4] for path in sorted((ROOT / "migrations" / "versions").glob("[0-9]*.py"))]
    assert ", ".join(listed).split(", ") == revisions


def test_every_decision_is_listed_by_its_title() -> None:
    folder = ROOT / "docs" / "adr"
    expected = []
    for path in sorted(folder.glob("[0-9]*.md")):
        number, _, title = path.read_text().splitlines()[0].removeprefix("# ").partition(". ")
        assert int(path.name[:4]) == int(number)
        expected.append(f"- [{path.name[:4]}]({path.name}): {title}")

    assert [line for line in (folder / "README.md").read_text().splitlines() if line.startswith("- ")] == expected
