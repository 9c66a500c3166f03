"""What the figures were measured on: processor, Python's build, versions."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import sys
import sysconfig
from pathlib import Path

import pycurl

from benchmarks.gateways import nginx_version
from benchmarks.postgres import ask, connect


def facts(database_url: str) -> dict[str, str]:
    """The machine and the versions, by what a reader would call them."""
    model = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    with contextlib.closing(connect(database_url)) as connection:
        names = ("fsync", "synchronous_commit", "shared_buffers", "max_wal_size", "jit")
        settings = [f"{name} {ask(connection, f'SHOW {name}')}" for name in names]
        postgresql = ", ".join([str(ask(connection, "SHOW server_version")), *settings])
    return {
        "processor": f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_version()}, {_python_build()}",
        "PostgreSQL": postgresql,
        "nginx": nginx_version(),
        "libcurl": pycurl.version_info()[1],
    }


def _python_build() -> str:
    """Which build of Python this is: one without profile-guided optimisation takes about twice the time."""
    if sys.base_prefix == "/usr":  # what Debian's package was built with can't be asked; it is optimised
        return "the distribution's"
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return f"built {'with' if optimised else 'without'} --enable-optimizations"
