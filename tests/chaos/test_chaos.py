"""A short run on loopback, and whether those who judge a run would notice."""

import random
from pathlib import Path

import pytest

from services.api.faults import UNEXPECTED
from tests.chaos.faults import LONGEST_S, drawn
from tests.chaos.known import Answer, Known, Thing, digest, make_images
from tests.chaos.run import Case, played
from tests.chaos.strikes import KINDS
from tests.chaos.verdict import answers_wrong, digest_of, fates_wrong
from tests.support.builders import PROJECT, a_request, a_volume, an_id, pending

SHORT = Case(seed=4245, seconds=13, clients=4)
"""Kills and stops roles, brokers that lead, all brokers at once, and the database."""

ID = str(an_id(1))


@pytest.mark.chaos
@pytest.mark.postgres
@pytest.mark.nats
@pytest.mark.timeout(600)
def test_whatever_befalls_real_processes_every_promise_is_kept(tmp_path: Path) -> None:
    outcome = played(SHORT, tmp_path)
    broken = outcome.verdict.violations
    assert not broken, "\n".join([*outcome.story, *broken, f"The logs are in {tmp_path}"])
    assert sum(outcome.faults.values()) > 5
    assert outcome.verdict.events > 50


def test_a_seed_draws_the_same_faults_again_and_sooner_or_later_every_kind() -> None:
    faults = drawn(7, 2_000, networked=True)
    assert faults == drawn(7, 2_000, networked=True)
    assert {each.kind for each in faults} == set(KINDS)
    assert all(0 < each.lasts_s <= LONGEST_S for each in faults)
    on_loopback = {each.kind for each in drawn(7, 2_000, networked=False)}
    assert on_loopback == {name for name, kind in KINDS.items() if not kind.networked}


def answer(status: int, request: str, *, body: object = None, method: str = "POST") -> Answer:
    return Answer(
        what="make",
        method=method,
        path=f"/volumes/{ID}",
        status=status,
        request_id=request,
        body=body,
    )


@pytest.mark.parametrize(
    ("given", "wrong"),
    [
        (answer(202, "req-1"), ""),
        (answer(202, "req-2"), "nothing happened"),
        (answer(400, "req-1"), "it happened"),
        (answer(400, "req-2"), ""),
        (answer(503, "req-1"), ""),
        (answer(500, "req-2", body={"computeFault": {"message": UNEXPECTED}}), "nobody foresaw"),
    ],
)
def test_an_answer_that_the_log_contradicts_is_found(given: Answer, wrong: str) -> None:
    found = list(answers_wrong([given], pending(a_request(1))))
    assert (wrong in found[0]) if wrong else not found


@pytest.mark.parametrize(
    ("state", "tried", "answers", "wrong"),
    [
        ("available", False, [], ""),
        ("deleted", True, [answer(202, "req-1", method="DELETE")], ""),
        ("deleted", False, [], "nobody asked for"),
        ("available", True, [answer(202, "req-1", method="DELETE")], "not done"),
    ],
)
def test_what_vanished_or_stayed_against_what_was_said_is_found(
    state: str, tried: bool, answers: list[Answer], wrong: str
) -> None:
    known = Known(project_id=PROJECT, volumes={ID: Thing(id=ID, tried=tried)})
    found = list(fates_wrong([known], answers, {an_id(1): a_volume(1, in_state=state)}))
    assert (wrong in found[0]) if wrong else not found


def test_what_was_never_in_the_log_is_found() -> None:
    known = Known(project_id=PROJECT, volumes={ID: Thing(id=ID)})
    assert list(fates_wrong([known], [], {}))


def test_a_volume_is_known_by_its_content_whatever_its_size(tmp_path: Path) -> None:
    images = make_images(tmp_path / "images", random.Random(1))
    assert len(set(images.values())) == len(images)
    for name, due in images.items():
        path = tmp_path / "images" / f"{name}.raw"
        with path.open("r+b") as volume:
            volume.truncate(2**30)
        assert digest_of(path) == due
        with path.open("r+b") as volume:
            volume.seek(2**24)
            volume.write(b"x")
        assert digest_of(path) != due
        path.unlink()
    assert digest(b"") == digest(b"\0\0")
