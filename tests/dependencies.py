"""What setup.cfg asks for, and docs/dependencies.md: `make licences` writes the licences of what is installed into it.

What a package is for is written there by hand.
"""

from __future__ import annotations

import re
from configparser import ConfigParser
from importlib import metadata

from tests.database import ROOT

DOCUMENT = ROOT / "docs" / "dependencies.md"
ROW = re.compile(r"^\| (?P<extra>[a-z]*) \| \[?(?P<name>[\w.-]+)[^|]* \| (?P<licence>[^|]*) \| (?P<purpose>[^|]+) \|$")
COMMON = "all"
"""What stands for install_requires among the extras."""


def required() -> set[tuple[str, str]]:
    """Every direct dependency, as (extra, name)."""
    setup = ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lists = {COMMON: setup["options"]["install_requires"], **setup["options.extras_require"]}
    return {
        (extra, re.split(r"[^\w.-]", line)[0])
        for extra, requirements in lists.items()
        for line in requirements.splitlines()
        if line and not line.startswith("#")
    }


def documented() -> dict[tuple[str, str], tuple[str, str]]:
    """Licence and purpose by (extra, name), as the document has them."""
    rows = (ROW.match(line) for line in DOCUMENT.read_text().splitlines())
    return {(row["extra"], row["name"]): (row["licence"], row["purpose"]) for row in rows if row}


def licence(name: str) -> str | None:
    """By the metadata of the installed package: its SPDX expression, or what stood there before there was one.

    None when it is not installed or does not say.
    """
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        return None
    for key in ("License-Expression", "License"):
        said = "".join(about.get_all(key) or [])
        if said and len(said) <= 40 and "\n" not in said:
            return said
    classes = [line for line in about.get_all("Classifier") or [] if line.startswith("License ::")]
    return classes[-1].rpartition(" :: ")[2] if classes else None


def main() -> None:
    """Replaces the licences in the document by those of what is installed; others stay as they are."""

    def renewed(line: str) -> str:
        row = ROW.match(line)
        found = licence(row["name"]) if row else None
        return (
            line if row is None or found is None else line[: row.start("licence")] + found + line[row.end("licence") :]
        )

    DOCUMENT.write_text("".join(renewed(line) + "\n" for line in DOCUMENT.read_text().splitlines()))


if __name__ == "__main__":
    main()
