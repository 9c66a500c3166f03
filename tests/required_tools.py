"""The programs that some tests need beside Python and make, and what the end of `make test` says of those left out.

`python -m tests.required_tools` prints that, from what the last run of pytest has kept.
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

KEPT = "gonets/skipped"
"""Where pytest's cache keeps how many tests were skipped for which reason."""


class Tool(NamedTuple):
    """A program that Debian and Ubuntu have in the package, under one of these names."""

    package: str
    names: tuple[str, ...]

    @property
    def path(self) -> str | None:
        """Where it is, if it is here. Some are in a folder that only root's PATH has."""
        places = (None, "/usr/sbin")
        return next(filter(None, (shutil.which(name, path=place) for name in self.names for place in places)), None)

    @property
    def missing(self) -> str:
        """What to say when it is not here."""
        return f"there is no {self.package} here (on Debian and Ubuntu: apt install {self.package})"


CC = Tool("gcc", ("cc", "gcc"))
CHROMIUM = Tool("chromium", ("chromium", "chromium-browser", "google-chrome"))
CURL = Tool("curl", ("curl",))
GIT = Tool("git", ("git",))
JAVA = Tool("default-jre-headless", ("java",))
JDK = Tool("default-jdk-headless", ("javac",))
NGINX = Tool("nginx", ("nginx",))
PGBOUNCER = Tool("pgbouncer", ("pgbouncer",))


def need(tool: Tool) -> str:
    """Its path. Without it the test is skipped, or fails where CI=true promises that everything is tested."""
    if path := tool.path:
        return path
    if os.environ.get("CI") == "true":
        pytest.fail(f"{tool.missing}, and CI=true")
    pytest.skip(tool.missing)


def reasons(skipped: list[pytest.TestReport | pytest.CollectReport]) -> dict[str, int]:
    """How many tests were skipped for which reason."""
    told = [report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr) for report in skipped]
    return dict(Counter(reason.removeprefix("Skipped: ") for reason in told))


def skip_summary(skipped: Mapping[str, int]) -> str:
    """What there is to say after a run in which nothing has failed."""
    if not skipped:
        return "Everything passes."
    return "\n".join(
        ["Everything passes but what was not run:"] + [f"  {count} skipped: {why}" for why, count in skipped.items()]
    )


def main() -> None:
    """Prints the last words."""
    kept = Path(__file__).parent.parent / ".pytest_cache" / "v" / KEPT
    print(skip_summary(json.loads(kept.read_text())))


if __name__ == "__main__":
    main()
