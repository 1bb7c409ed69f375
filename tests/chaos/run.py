"""One run: everything stands, clients ask, faults strike, all comes to rest, and is judged."""

import asyncio
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.chaos.deployment import BACKENDS, Stricken, standing
from tests.chaos.faults import Playing, drawn
from tests.chaos.known import make_images
from tests.chaos.load import Load
from tests.chaos.verdict import Verdict, judged

Tell = Callable[[str], None]


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """What is drawn from `seed` are the faults and the wishes; what comes of them is another thing
    each time."""

    seed: int
    seconds: float
    clients: int = 6
    networked: bool = False


class Outcome(msgspec.Struct, kw_only=True):
    """What came of it."""

    case: Case
    story: list[str] = []
    faults: Counter[str] = msgspec.field(default_factory=Counter)
    answers: Counter[str] = msgspec.field(default_factory=Counter)
    """Requests by kind of wish and status; without an answer: 0."""
    verdict: Verdict = msgspec.field(default_factory=Verdict)


def played(case: Case, directory: Path, *, tell: Tell = lambda line: None) -> Outcome:
    """Plays it in a directory that is empty, or not there; logs are left in it. `tell` hears the
    story while it happens.

    Raises NoNamespaces if those are wanted, and cannot be made here.
    """
    directory.mkdir(parents=True, exist_ok=True)
    outcome = Outcome(case=case)
    began = time.monotonic()

    def told(what: str) -> None:
        outcome.story.append(f"{time.monotonic() - began:7.2f} {what}")
        tell(outcome.story[-1])

    with standing(directory, networked=case.networked) as deployment:
        told("everything stands")
        try:
            _befall(deployment, outcome, told)
        finally:
            shutil.copy(deployment.postgres.log, directory / "postgres.log")
    return outcome


def _befall(on: Stricken, outcome: Outcome, tell: Tell) -> None:
    case = outcome.case
    chance = random.Random(f"{case.seed} images")
    images = make_images(on.images, chance)
    _make_types(on)
    load = Load(on.urls, clients=case.clients, seed=case.seed, images=images)
    playing = Playing(on, tell)
    try:
        load.start()
        playing.play(drawn(case.seed, case.seconds, networked=case.networked))
        tell("no more faults")
        load.stop()
        tell("no more requests")
        outcome.verdict = asyncio.run(judged(on, load))
        tell(f"judged; at rest after {outcome.verdict.rested_s:.1f} s")
    except AssertionError as broken:
        outcome.verdict.violations.append(str(broken))
        load.stop()
    outcome.faults = playing.struck
    outcome.answers = Counter(f"{each.what} {each.status}" for each in load.answers)
    outcome.answers += Counter({f"{what} 0": n for what, n in load.unanswered.items()})


def _make_types(on: Stricken) -> None:
    """One for each backend."""
    for name in BACKENDS.values():
        specs = {"volume_backend_name": name}
        status, answer = on.request(
            "POST", "/types", {"volume_type": {"name": name, "extra_specs": specs}}
        )
        assert status == 200, answer
