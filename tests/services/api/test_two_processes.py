"""Two API processes on one log, asked about one volume at once: in every order of their work."""

import copy
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from projections.runner import Runner
from projections.views import Views
from services.api.app import build
from services.unit_of_work import Commands
from tests.services.api.stage import OTHER, PROJECT, Stage, staged
from tests.services.api.test_http import refused
from tests.services.processes.schedules import Choices, Turns, every_schedule
from tests.support.around import around
from tests.support.read_models import read_models

Words = dict[str, Any]
Request = Callable[[Stage, Words], Awaitable[httpx.Response]]


class Two:
    """Two processes with caches and read models of their own, on the log of a third."""

    def __init__(self, stage: Stage) -> None:
        self.stage, self.both = stage, list[Stage]()

    async def open(self, stack: AsyncExitStack, directory: Path) -> "Two":
        for name in ("first", "second"):
            (directory / name).mkdir()
            process = copy.copy(self.stage.application)
            engine = read_models(directory / name)
            stack.callback(engine.dispose)
            process.views = Views(engine)
            stack.push_async_callback(process.views.close)
            process.runner = Runner(engine, process.store, clock=process.clock)
            transport = httpx.ASGITransport(build(process))
            client = httpx.AsyncClient(transport=transport, base_url="http://lapilli:8776")
            self.both.append(Stage(process, await stack.enter_async_context(client)))
        return self

    async def volume(self) -> Words:
        """The id of a volume that is there, and where the log ends then."""
        id = (await self.stage.available(metadata={"k": "v"}))["id"]
        await self._all_know()
        return {"id": id, "recorded": await self.stage.recorded()}

    async def offered(self) -> Words:
        """The ids of a volume on offer and of its transfer, and the key."""
        words = await self.volume()
        body = {"transfer": {"volume_id": words["id"]}}
        offer = (await self.stage.ask("POST", "/volume-transfers", body)).json()["transfer"]
        await self._all_know()
        return {**words, "transfer": offer["id"], "key": offer["auth_key"]}

    async def meetings(
        self, requests: tuple[Request, Request], given: Callable[[], Awaitable[Words]]
    ) -> AsyncIterator[tuple[Words, list[httpx.Response]]]:
        """What is given, and the answers of both, for each way in which they can meet."""
        for choices in every_schedule():
            words = await given()
            answers = await self._at_once(requests, words, choices)
            if answers:
                yield words, answers
            force = {"os-force_delete": None}
            await self.stage.ask("POST", f"/volumes/{words['id']}/action", force)
            await self.stage.finish_deletion(words["id"])

    async def _at_once(
        self, requests: tuple[Request, Request], words: Words, choices: Choices
    ) -> list[httpx.Response]:
        """The answers of both, one of the ways in which they can meet; nothing is cached yet.

        No answers where that is like a way they met before.
        """
        answers: dict[int, httpx.Response] = {}
        turns = Turns("append", reads=["events"])
        for stage in self.both:
            process = stage.application
            process.commands = Commands(around(process.store, before=turns.gate))

        async def ask(which: int) -> None:
            answers[which] = await requests[which](self.both[which], words)

        for which in (0, 1):
            await turns.start(ask(which))
        new = await turns.run(choices)
        await self._all_know()
        return [answers[0], answers[1]] if new else []

    async def _all_know(self) -> None:
        for stage in (self.stage, *self.both):
            await stage.application.runner.catch_up()


@pytest.fixture
async def two(tmp_path):
    async with staged(tmp_path) as stage, AsyncExitStack() as stack:
        yield await Two(stage).open(stack, tmp_path)


async def delete(stage, words):
    return await stage.ask("DELETE", f"/volumes/{words['id']}")


async def offer(stage, words):
    return await stage.ask("POST", "/volume-transfers", {"transfer": {"volume_id": words["id"]}})


async def accept(stage, words):
    path = f"/v3/{OTHER}/volume-transfers/{words['transfer']}/accept"
    return await stage.ask("POST", path, {"accept": {"auth_key": words["key"]}})


async def withdraw(stage, words):
    return await stage.ask("DELETE", f"/volume-transfers/{words['transfer']}")


def act(body) -> Request:
    async def request(stage, words):
        return await stage.ask("POST", f"/volumes/{words['id']}/action", body)

    return request


def update(**fields) -> Request:
    async def request(stage, words):
        return await stage.ask("PUT", f"/volumes/{words['id']}", {"volume": fields})

    return request


def add_metadata(**pairs) -> Request:
    async def request(stage, words):
        return await stage.ask("POST", f"/volumes/{words['id']}/metadata", {"metadata": pairs})

    return request


extend = act({"os-extend": {"new_size": 3}})
reset = act({"os-reset_status": {"status": "error"}})


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(delete, extend, id="delete and extend"),
        pytest.param(delete, delete, id="delete twice"),
        pytest.param(delete, offer, id="delete and offer"),
        pytest.param(extend, extend, id="extend twice"),
        pytest.param(extend, offer, id="extend and offer"),
        pytest.param(offer, offer, id="offer twice"),
    ],
)
async def test_of_two_that_exclude_each_other_one_is_done_and_one_is_400(two, first, second):
    async for words, answers in two.meetings((first, second), two.volume):
        done, lost = sorted(answers, key=lambda answer: answer.status_code)
        assert done.status_code == 202, done.text
        refused(lost, 400)
        assert await two.stage.recorded() - words["recorded"] <= 2  # by the one that is done
        shown = [await each.ask("GET", f"/volumes/{words['id']}") for each in two.both]
        assert shown[0].json() == shown[1].json()
    usage = (await two.stage.ask("GET", f"/os-quota-sets/{PROJECT}?usage=true")).json()
    assert usage["quota_set"]["gigabytes"] == {"limit": 1000, "in_use": 0, "reserved": 0}


async def test_who_accepts_and_who_withdraws_are_told_the_same_story(two):
    told = set()
    async for words, (taken, kept) in two.meetings((accept, withdraw), two.offered):
        told.add((taken.status_code, kept.status_code))
        owner = OTHER if taken.status_code == 202 else PROJECT
        volume = (await two.stage.ask("GET", f"/volumes/{words['id']}")).json()["volume"]
        assert (volume["os-vol-tenant-attr:tenant_id"], volume["status"]) == (owner, "available")
    assert told == {(202, 404), (404, 202)}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (
            update(name="new"),
            update(description="words"),
            {"name": "new", "description": "words"},
        ),
        (
            add_metadata(a="1"),
            add_metadata(b="2"),
            {"metadata": {"k": "v", "a": "1", "b": "2"}},
        ),
        (
            act({"os-set_bootable": {"bootable": True}}),
            extend,
            {"bootable": "true", "status": "extending"},
        ),
        (
            update(name="new"),
            reset,
            {"name": "new", "status": "error"},
        ),
    ],
    ids=["name and description", "metadata", "bootable and extend", "name and reset"],
)
async def test_two_that_have_nothing_to_do_with_each_other_are_both_done(
    two, first, second, expected
):
    async for words, answers in two.meetings((first, second), two.volume):
        assert {answer.status_code for answer in answers} <= {200, 202}
        for stage in two.both:
            shown = (await stage.ask("GET", f"/volumes/{words['id']}")).json()["volume"]
            assert {name: shown[name] for name in expected} == expected
