"""`python -m benchmarks [NAME …] [--runs N]`: measures, and prints figures with their budgets."""

import argparse
import os

from benchmarks import (
    append,
    backup,
    footprint,
    images,
    lists,
    pipeline,
    placement,
    rebuild,
    sources,
)
from benchmarks.report import console

BENCHMARKS = {
    "append": append.run,
    "pipeline": pipeline.run,
    "placement": placement.run,
    "lists": lists.run,
    "rebuild": rebuild.run,
    "backup": backup.run,
    "images": images.run,
    "sources": sources.run,
    "footprint": footprint.run,
}


def main() -> None:
    """Runs the named benchmarks, or all."""
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--runs", type=int, default=5, help="runs, of which the median counts")
    wanted = parser.parse_args()
    unknown = sorted(set(wanted.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    console.print(f"{os.cpu_count()} processors; medians of {wanted.runs} runs")
    for name in wanted.names or BENCHMARKS:
        BENCHMARKS[name](wanted.runs)


main()
