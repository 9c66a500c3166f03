"""docs/dependencies.md tells of every package that Gonets asks for, and of no other."""

from __future__ import annotations

import pytest

from tests.dependencies import documented, licence, required


def test_the_document_names_every_dependency_and_no_other() -> None:
    assert set(documented()) == required()


def test_each_has_a_licence_and_a_purpose() -> None:
    assert all(licence and purpose for licence, purpose in documented().values())


@pytest.mark.parametrize(("name", "found"), [("flask", "BSD-3-Clause"), ("no-such-package", None)])
def test_a_licence_is_what_the_installed_package_says(name: str, found: str | None) -> None:
    assert licence(name) == found
