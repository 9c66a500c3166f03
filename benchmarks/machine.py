"""What the figures were measured on: processor, Python's build, versions."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import psycopg2
import pycurl

from benchmarks import nginx


def facts(database_url: str) -> dict[str, str]:
    """The machine and the versions, by what a reader would call them."""
    return {
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": f"{platform.python_version()}, {python_build()}",
        "PostgreSQL": _postgresql(database_url),
        "nginx": nginx.version() or "not installed",
        "libcurl": pycurl.version_info()[1],
        "requests": _package("requests"),
    }


def python_build() -> str:
    """Which build of Python this is: one without profile-guided optimisation takes about twice the time."""
    if sys.base_prefix == "/usr":  # what Debian's package was built with can't be asked; it is optimised
        return "the distribution's"
    optimised = "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")
    return (
        "built with --enable-optimizations" if optimised else "built without --enable-optimizations: about half as fast"
    )


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        name, _, value = line.partition(":")
        if name.strip() == "model name":
            return value.strip()
    return platform.machine()


def _postgresql(database_url: str) -> str:
    connection = psycopg2.connect(database_url)
    try:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT string_agg(current_setting(name), ' ' ORDER BY place) FROM unnest(ARRAY['server_version',"
                " 'fsync', 'synchronous_commit', 'shared_buffers', 'max_wal_size']) WITH ORDINALITY AS s(name, place)"
            )
            row = cursor.fetchone()
    finally:
        connection.close()
    assert row
    server, fsync, commit, buffers, wal = row[0].rsplit(" ", 4)
    return f"{server}, fsync {fsync}, synchronous_commit {commit}, shared_buffers {buffers}, max_wal_size {wal}"


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
