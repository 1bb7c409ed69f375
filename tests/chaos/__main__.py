"""`python -m tests.chaos`: so many seconds of faults on real processes, and what came of them.

python -m tests.chaos --seconds 120 --seed 7 --report     what make chaos does
"""

import argparse
import random
import signal
import sys
import tempfile
from pathlib import Path

from tests.chaos.report import text
from tests.chaos.run import Case, played
from tests.support.machines import NoNamespaces, possible
from tests.support.pages import RELIABILITY, write_part


def main() -> int:
    options = _options()
    for number in (signal.SIGINT, signal.SIGTERM):  # everything ends with the run
        signal.signal(number, lambda *_: sys.exit(1))
    networked = not options.loopback
    if networked:
        try:
            possible()
        except NoNamespaces as why:
            print(f"No network is cut in this run: {why}")
            networked = False
    case = Case(
        seed=options.seed if options.seed is not None else random.randrange(10**6),
        seconds=options.seconds,
        clients=options.clients,
        networked=networked,
    )
    print(f"seed {case.seed}, {case.seconds:g} s", flush=True)
    directory = Path(options.directory or tempfile.mkdtemp(prefix="lapilli-chaos-"))
    outcome = played(case, directory, tell=lambda line: print(line, flush=True))
    print(text(outcome))
    for violation in outcome.verdict.violations:
        print(f"BROKEN {violation}")
    if outcome.verdict.violations:
        print(f"The logs of all processes are in {directory}")
    if options.report:
        write_part(RELIABILITY, "chaos", text(outcome))
        print(f"Written into {RELIABILITY}.")
    return 1 if outcome.verdict.violations else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--seconds", type=float, default=120.0, help="of faults")
    parser.add_argument("--seed", type=int, help="what faults and wishes are drawn from")
    parser.add_argument("--clients", type=int, default=8, help="that ask at a time")
    parser.add_argument("--loopback", action="store_true", help="without a network to be cut")
    parser.add_argument("--directory", help="where everything is kept; else a temporary one")
    parser.add_argument("--report", action="store_true", help="write docs/reliability.md")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
