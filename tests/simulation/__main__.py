"""`python -m tests.simulation`: many seeds, one seed again, a failing case made smaller.

python -m tests.simulation --seeds 1000 --report     what make simulate does
python -m tests.simulation --seed 17                 one run, with its story if it fails
python -m tests.simulation --case '{"seed":17,…}'    the same of a case that was made smaller
python -m tests.simulation --seed 17 --shrink        the smallest case that fails like it
python -m tests.simulation --bugs --report           how soon deliberate bugs are found
"""

import argparse
import sys
from math import inf

import msgspec

from tests.simulation import campaign
from tests.simulation.chance import Case
from tests.simulation.run import Outcome, run
from tests.simulation.shrink import shrunk
from tests.support.pages import RELIABILITY, write_part


def main() -> int:
    options = _options()
    if options.bugs:
        return _bugs(options)
    if options.seed is None and options.case is None:
        return _many(options)
    case = Case(seed=options.seed or 0)
    if options.case is not None:
        case = msgspec.json.decode(options.case, type=Case)
    outcome = run(case)
    if options.shrink and outcome.violations:
        outcome = shrunk(outcome, run)
    _tell(outcome, story=options.story)
    return 1 if outcome.violations else 0


def _many(options: argparse.Namespace) -> int:
    seeds = range(options.first, options.first + options.seeds)
    tally = campaign.played(seeds, jobs=options.jobs, most_s=60 * options.minutes)
    print(tally.text)
    if options.report:
        _write(campaign.RUNS, tally.text)
    return 1 if tally.failed else 0


def _bugs(options: argparse.Namespace) -> int:
    hunt = campaign.hunted(first=options.first, most=options.seeds, jobs=options.jobs)
    print(hunt.text)
    if options.report:
        _write(campaign.FOUND, hunt.text)
    return 1 if None in hunt.found.values() else 0


def _write(what: str, text: str) -> None:
    write_part(RELIABILITY, what, text)
    print(f"Written into {RELIABILITY}.")


def _tell(outcome: Outcome, *, story: bool) -> None:
    if story or outcome.violations:
        print("\n".join(outcome.story))
    for violation in outcome.violations:
        print(f"BROKEN {violation}")
    print(f"digest {outcome.digest}")
    print(campaign.again(outcome.case))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.simulation")
    parser.add_argument("--seeds", type=int, default=100, help="how many seeds")
    parser.add_argument("--first", type=int, default=0, help="the first of them")
    parser.add_argument("--minutes", type=float, default=inf, help="as many as fit in these")
    parser.add_argument("--jobs", type=int, default=None, help="processes; one a processor")
    parser.add_argument("--report", action="store_true", help="write docs/reliability.md")
    parser.add_argument("--seed", type=int, help="only this one")
    parser.add_argument("--case", help="only this one, as JSON")
    parser.add_argument("--shrink", action="store_true", help="make it smaller if it fails")
    parser.add_argument("--story", action="store_true", help="tell the story also if all is well")
    parser.add_argument("--bugs", action="store_true", help="put in bugs, and look for them")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
