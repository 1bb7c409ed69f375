"""`lapilli serve` on existing data: time to the first answer, and memory when idle."""

import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.report import median, table
from tests.support.deployment import Serve, by_itself, until

IDLE_S = 5.0
"""Long enough for everything to have started and reported itself."""


def run(runs: int) -> None:
    """Prints both. Memory is the sum of proportional set sizes, so shared pages count once."""
    starts, sizes = [], []
    with tempfile.TemporaryDirectory() as directory:
        serve = Serve(Path(directory), launch=by_itself)
        for n in range(runs + 1):
            started = time.perf_counter()
            serve.program.start()
            until(serve.answers, what="first answer")
            if n:  # the first run makes the data
                starts.append(time.perf_counter() - started)
            serve.request("POST", "/volumes", {"volume": {"size": 1}})
            time.sleep(IDLE_S)
            root = psutil.Process(serve.program.pid)
            tree = [root, *root.children(recursive=True)]
            sizes.append(sum(process.memory_full_info().pss for process in tree) / 2**20)
            serve.stop()
    start_s, size_mb = median(starts), median(sizes)
    table(
        "Footprint",
        [
            ("first answer on existing data", f"{start_s:.2f} s", "≤ 2 s", start_s <= 2),
            (
                "idle, whole tree with nats-server",
                f"{size_mb:.0f} MiB",
                "≤ 200 MB",
                size_mb <= 200,
            ),
        ],
    )
