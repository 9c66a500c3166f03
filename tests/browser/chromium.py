"""The browser, wherever the system has it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.required_tools import CHROMIUM

# All pages are of one server that is trusted, so they may share one process: a new process for each page, and one for a
# graphics card that is not there, take a third of the browser's time.
ARGUMENTS = (
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-site-isolation-trials",
    "--process-per-site",
    "--renderer-process-limit=1",
    "--no-zygote",
)


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser, for as long as the block lasts."""
    # Its sandbox does not work for root, as whom tests run in containers, and needs the zygote.
    arguments = ["--no-sandbox", *ARGUMENTS] if os.geteuid() == 0 else ARGUMENTS[:-1]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM.path, args=arguments, timeout=120_000)
        yield browser
        browser.close()
