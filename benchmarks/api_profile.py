"""Where the time of one of the API's calls goes, by cProfile.

python -m benchmarks.api_profile "GET mailing/{id}" [--seconds 2]
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time

from benchmarks.api import CALLS, gonets, send
from benchmarks.stage import stage


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.api_profile", description=__doc__)
    parser.add_argument("call", help=f"how its title begins: {', '.join(call.title for call in CALLS)}")
    parser.add_argument("--seconds", type=float, default=2.0)
    options = parser.parse_args()
    call = next((call for call in CALLS if call.title.startswith(options.call)), None)
    if call is None:
        parser.error(f"no call's title begins with {options.call!r}")
    with stage() as set_up, set_up.server.database("api") as url:
        app = gonets(url)
        send(app, call)
        profiler = cProfile.Profile()
        end, done = time.perf_counter() + options.seconds, 0
        profiler.enable()
        while time.perf_counter() < end:
            send(app, call)
            done += 1
        profiler.disable()
    print(f"{call.title}: {done} requests, under the profiler")
    pstats.Stats(profiler).sort_stats("tottime").print_stats(35).sort_stats("cumtime").print_stats(60)


if __name__ == "__main__":
    main()
