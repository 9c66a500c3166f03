"""The browser, wherever the system has it. `python -m tests.browser.chromium` has the last word of `make test`."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
MISSING = "there is no Chromium here (on Debian and Ubuntu: apt install chromium)"

EXECUTABLE = next(filter(None, map(shutil.which, NAMES)), None)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for as long as the block lasts."""
    # Its sandbox does not work for root, which is who tests run as in containers.
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=EXECUTABLE, args=arguments)
        yield browser
        browser.close()


if __name__ == "__main__":
    print("Everything passes." if EXECUTABLE else f"Everything passes but what was not run: {MISSING}.")
