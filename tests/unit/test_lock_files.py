"""requirements/: what images, CI and make install. It fits setup.cfg, has a hash for everything, and knows no index."""

from __future__ import annotations

import re
from configparser import ConfigParser

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from tests.database import ROOT

LOCKS = {path.stem: path for path in (ROOT / "requirements").glob("*.txt")}
"""A file for each extra of setup.cfg."""

PACKAGE = re.compile(r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; (?P<marker>[^\\]+))? \\")
HASH = re.compile(r"    --hash=sha256:[0-9a-f]{64}(?: \\)?")


def declared() -> dict[str, list[Requirement]]:
    """What setup.cfg asks for, by extra; what everything needs is in each."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")

    def read(lines: str) -> list[Requirement]:
        return [Requirement(line) for line in lines.split("\n") if line]

    common = read(setup["options"]["install_requires"])
    return {extra: [*common, *read(lines)] for extra, lines in setup["options.extras_require"].items()}


def locked(extra: str) -> dict[str, Version]:
    """The version of each package, whose markers do not matter here."""
    found = (PACKAGE.fullmatch(line) for line in LOCKS[extra].read_text().splitlines())
    return {match["name"]: Version(match["version"]) for match in found if match}


def test_each_extra_has_a_lock() -> None:
    assert LOCKS.keys() == declared().keys()


@pytest.mark.parametrize("extra", declared())
def test_a_lock_has_all_that_setup_cfg_asks_for_in_its_range(extra: str) -> None:
    versions = locked(extra)
    wrong = [
        f"{asked} and {versions.get(canonicalize_name(asked.name))}"
        for asked in declared()[extra]
        if (found := versions.get(canonicalize_name(asked.name))) is None or found not in asked.specifier
    ]

    assert wrong == [], "make lock writes them anew"


@pytest.mark.parametrize("extra", LOCKS)
def test_a_lock_holds_versions_with_their_hashes_and_nothing_else(extra: str) -> None:
    lines = [line for line in LOCKS[extra].read_text().splitlines() if not line.startswith("#")]
    packages = [number for number, line in enumerate(lines) if PACKAGE.fullmatch(line)]

    assert [line for line in lines if not PACKAGE.fullmatch(line) and not HASH.fullmatch(line)] == []
    assert all(HASH.fullmatch(lines[number + 1]) for number in packages)


def test_locks_agree_so_that_they_can_be_installed_together() -> None:
    together: dict[str, set[Version]] = {}
    for extra in LOCKS:
        for name, version in locked(extra).items():
            together.setdefault(name, set()).add(version)

    assert {name: versions for name, versions in together.items() if len(versions) > 1} == {}


@pytest.mark.parametrize(("dockerfile", "extra"), [("Dockerfile.api", "api"), ("Dockerfile.worker", "worker")])
def test_an_image_installs_what_is_locked_and_nothing_else(dockerfile: str, extra: str) -> None:
    lines = (ROOT / dockerfile).read_text().splitlines()

    installs = [line for line in lines if "pip " in line]
    assert installs == [f"RUN pip install --no-cache-dir --require-hashes --only-binary :all: -r {extra}.txt"]
    assert f"COPY requirements/{extra}.txt ./" in lines


def test_make_installs_what_is_locked() -> None:
    makefile = (ROOT / "Makefile").read_text()

    assert re.findall(r"\$\(BIN\)/python -m pip .*install (.*) \|\|", makefile) == ["--require-hashes $(2:%=-r %)"]
