"""What a process loads: the worker's has no Flask in it."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import shared
import worker
from tests.database import ROOT

SCRIPT = """
import importlib, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print([name for name in sys.modules if name.partition('.')[0].startswith(('flask', 'werkzeug', 'webargs'))])
"""


@pytest.mark.parametrize("package", [shared, worker], ids=["shared", "worker"])
def test_neither_shared_nor_worker_imports_flask(package: object) -> None:
    name, path = package.__name__, package.__path__  # type: ignore[attr-defined]
    modules = [name] + [f"{name}.{module.name}" for module in pkgutil.iter_modules(path) if module.name != "__main__"]
    loaded = subprocess.run(
        [sys.executable, "-c", SCRIPT, *modules], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.strip() == "[]"


def test_a_worker_starts_without_the_libraries_of_templates_and_numbers() -> None:
    names = {"liquid", "lark", "babel", "phonenumbers", "holidays", "dateutil"}
    script = f"import sys, worker.app; print({names} & sys.modules.keys())"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "set()"


def test_the_api_starts_without_the_library_of_holidays() -> None:
    script = "import sys, api.app; print('holidays' in sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert loaded.stdout.strip() == "False"
