"""`make bench`: both ways of running the works of the peers, and with `--peers` the peers.

With `--peers PYTHON`, an interpreter that has the peers' packages, their own scripts run on the
same inputs after ours, in the same run (`make bench ARGS="--peers …"`): each line of theirs has
their version, and how many times as fast ours are by the medians. Only ratios of one run count.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.performance.arrays_bench import arrays
from tests.performance.bench import W1_BARS, bench

PEERS = Path(__file__).parents[3] / "shared" / "bench" / "peers"
SCRIPTS = {"W1": "w1_event_sma.py", "W2": "w2_portfolio.py", "W3": "w3_sweep.py"}


def beside(work: str, line: str, ours: dict[str, float]) -> str:
    """A peer's line with the ratios of ours to it."""
    said = json.loads(line)
    theirs = said.get("throughput_median")
    if theirs:
        said["ours_times_as_fast"] = {
            way: round(speed / theirs, 2) for way, speed in ours.items() if way.startswith(work)
        }
    return json.dumps(said)


def peers(python: str, runs: int, ours: dict[str, float]) -> Iterator[str]:
    """Run the peers' scripts, one line a peer."""
    for work, script in SCRIPTS.items():
        command = [python, script, "--runs", str(runs)]
        with subprocess.Popen(command, cwd=PEERS, stdout=subprocess.PIPE, text=True) as running:
            for line in running.stdout or ():
                yield beside(work, line, ours) if line.startswith("{") else line.rstrip()


def measured(bars: int, runs: int) -> Iterator[dict[str, Any]]:
    """Both ways over all works: the engine that trades, then the arrays."""
    yield from bench(bars, runs)
    yield from arrays(max(runs, 5))


def main() -> None:
    """Measure and print, one JSON line a work."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bars", type=int, default=W1_BARS)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--peers", help="a Python that has the peers' packages")
    options = parser.parse_args()
    ours: dict[str, float] = {}
    for one in measured(options.bars, options.runs):
        if one["work"].startswith(tuple(SCRIPTS)):
            way = "events" if one["work"].endswith("events") else "arrays"
            ours[f"{one['work'][:2]} {way}"] = one["per_second"]
        sys.stdout.write(json.dumps(one) + "\n")
        sys.stdout.flush()
    if options.peers:
        for line in peers(options.peers, options.runs, ours):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
