"""Any two commands about one volume at once: as if one had come after the other, nothing else.

Every order in which two processes' reads and writes can meet is run to its end. Whatever comes of
it must be what comes of one of the two orders in which they do not meet: where they exclude each
other, the one that is second is refused and records nothing; where they do not, both happen.
"""

from collections.abc import Callable, Iterator
from types import CodeType, FunctionType
from typing import Any

import msgspec
import pytest

from adapters.event_store.memory import MemoryEventStore
from domain.aggregates.snapshot import Snapshot
from domain.aggregates.volume import Volume
from domain.errors import LapilliError
from domain.event import Event, Recorded
from services.api.faults import CODES
from services.commands import HANDLERS
from tests.services.commands.rivals import ALIKE, DUE, ELSEWHERE, FEW, RIVALS, SITUATIONS, USERS
from tests.services.commands.world import World
from tests.services.processes.schedules import Turns, every_schedule
from tests.support.around import around
from tests.support.cinders_way import LastWriterWins

DONE = 200
"""The answer to what is not refused."""


class Outcome(msgspec.Struct, frozen=True):
    """What two rivals were answered, what they recorded, and what quota was used then."""

    answers: tuple[int, int]
    recorded: list[Recorded[Event]]
    usage: dict[str, tuple[int, int]]

    def is_like(self, other: "Outcome") -> bool:
        """The same, but that a refusal may have another reason."""
        return (self.won, self.recorded, self.usage) == (other.won, other.recorded, other.usage)

    @property
    def won(self) -> tuple[bool, bool]:
        return self.answers[0] == DONE, self.answers[1] == DONE

    def __str__(self) -> str:
        verbs = ", ".join(recorded.event.type_name for recorded in self.recorded)
        return f"{self.answers} {verbs or 'nothing'}"


class Pair:
    """Two commands about the volume of a situation, which is the same before each try."""

    def __init__(self, situation: World, first: Any, second: Any) -> None:
        self.situation, self.commands = situation, (first, second)

    @classmethod
    async def of(cls, situation: World, first: str, second: str) -> "Pair":
        return cls(situation, await RIVALS[first](situation, 0), await RIVALS[second](situation, 1))

    async def one_after_the_other(self) -> list[Outcome]:
        """What comes of it where they do not meet: two outcomes, both sound."""
        return [await self._in_order(0, 1), await self._in_order(1, 0)]

    async def at_once(
        self, *, warm: bool = False, kind: type[MemoryEventStore] = MemoryEventStore
    ) -> list[Outcome]:
        """What comes of every way in which they can meet. `warm`: they know the volume already."""
        outcomes = []
        for choices in every_schedule():
            world = await self._again(kind)
            turns, answers = Turns("append", reads=["events"]), [0, 0]
            for which, command in enumerate(self.commands):
                process = World(around(world.store, before=turns.gate))
                if warm:
                    await self._warm(process, world)
                await turns.start(_answered(process, command, answers, which))
            if await turns.run(choices):
                outcomes.append(await self._outcome(world, answers))
        return outcomes

    async def _in_order(self, *order: int) -> Outcome:
        world, answers = await self._again(), [0, 0]
        for which in order:
            await _answered(world, self.commands[which], answers, which)
        await world.assert_sound()
        return await self._outcome(world, answers)

    async def _again(self, kind: type[MemoryEventStore] = MemoryEventStore) -> World:
        """The situation once more."""
        again = self.situation.store.twin()
        again.__class__ = kind
        return World(again)

    async def _warm(self, process: World, world: World) -> None:
        for recorded in await world.store.log(0, 1000):
            process.commands.aggregates.learn(recorded)

    async def _outcome(self, world: World, answers: list[int]) -> Outcome:
        before = await self.situation.store.last_position()
        recorded = await world.store.log(before, 1000)
        return Outcome((answers[0], answers[1]), recorded, await world.usage())


async def _answered(process: World, command: Any, answers: list[int], which: int) -> None:
    """Runs it and notes the answer, which is done or a refusal that is the caller's to see."""
    try:
        await process.run(command)
        answers[which] = DONE
    except LapilliError as refusal:
        answers[which] = CODES[type(refusal)]
        assert 400 <= answers[which] < 500, refusal


def strangers(met: list[Outcome], apart: list[Outcome]) -> list[str]:
    """The outcomes that are like none of those where they do not meet."""
    return [str(each) for each in met if not any(each.is_like(other) for other in apart)]


async def check(situation: World, first: str, second: str) -> None:
    pair = await Pair.of(situation, first, second)
    apart = await pair.one_after_the_other()
    if not any(outcome.recorded for outcome in apart):
        return  # nothing is written, so nothing can be met
    for warm in (False, True):
        found = strangers(await pair.at_once(warm=warm), apart)
        assert not found, (first, second, warm, found, [str(each) for each in apart])


def rivals_in(situation: str) -> list[str]:
    """Who meets there: everybody where all can be done, else one of those that are alike, or only
    the few that find anything new."""
    unlike = [name for name in USERS if name not in ALIKE or situation == "available"]
    asked = list(FEW.get(situation, unlike))
    return [*asked, *DUE.get(situation, ())]


@pytest.mark.parametrize(
    ("situation", "first"), [(name, first) for name in SITUATIONS for first in rivals_in(name)]
)
async def test_two_commands_at_once_end_as_if_one_had_come_after_the_other(situation, first):
    given, rivals = await SITUATIONS[situation](), rivals_in(situation)
    for second in rivals[rivals.index(first) :]:
        await check(given, first, second)


@pytest.mark.parametrize(
    ("situation", "first", "second"),
    [
        ("available", "delete", "extend"),
        ("available", "delete", "offer"),
        ("available", "delete", "delete"),
        ("available", "extend", "extend"),
        ("available", "extend", "offer"),
        ("available", "retype", "delete"),
        ("available", "retype", "retype on demand"),
        ("available", "migrate", "extend"),
        ("available", "attach", "delete"),
        ("available", "attach", "attach"),
        ("available", "reserve", "delete"),
        ("available", "create an attachment", "offer"),
        ("available", "create an attachment", "create an attachment"),
        ("attached", "begin detaching", "begin detaching"),
        ("available", "offer", "offer"),
        ("available", "snapshot", "delete"),
        ("available", "snapshot", "delete with snapshots"),
        ("available", "snapshot", "migrate"),
        ("with a snapshot", "delete the snapshot", "delete the snapshot"),
        ("awaiting-transfer", "accept", "withdraw"),
        ("awaiting-transfer", "accept", "accept"),
        ("awaiting-transfer", "accept", "force delete"),
        ("growing", "extended", "not extended"),
        ("provisioning", "made", "not made"),
    ],
)
async def test_one_of_two_that_exclude_each_other_wins(situation, first, second):
    pair = await Pair.of(await SITUATIONS[situation](), first, second)
    for outcome in (*await pair.at_once(), *await pair.at_once(warm=True)):
        assert sorted(outcome.won) == [False, True], outcome


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("name", "describe"),
        ("name", "name"),
        ("set metadata", "set metadata"),
        ("set metadata", "replace metadata"),
        ("set bootable", "set image metadata"),
        ("describe", "extend"),
        ("snapshot", "snapshot"),
    ],
)
async def test_both_of_two_that_do_not_are_done(first, second):
    pair = await Pair.of(await SITUATIONS["available"](), first, second)
    for outcome in (*await pair.at_once(), *await pair.at_once(warm=True)):
        assert outcome.won == (True, True), outcome


@pytest.mark.parametrize(
    ("situation", "first", "second"),
    [
        ("available", "delete", "extend"),
        ("available", "offer", "offer"),
        ("available", "set metadata", "set metadata"),
        ("available", "name", "describe"),
        ("awaiting-transfer", "accept", "withdraw"),
        ("provisioning", "made", "force delete"),
    ],
)
async def test_where_the_last_writer_wins_the_same_check_fails(situation, first, second):
    pair = await Pair.of(await SITUATIONS[situation](), first, second)
    apart = await pair.one_after_the_other()
    assert strangers(await pair.at_once(kind=LastWriterWins), apart)


def _used(code: CodeType, known: dict[str, Any], seen: set[str]) -> Iterator[object]:
    """What a function's code names, and what the functions of its own module name that it calls."""
    for name in set(code.co_names) - seen:
        seen.add(name)
        thing = known.get(name)
        yield thing
        if isinstance(thing, FunctionType) and thing.__globals__ is known:
            yield from _used(thing.__code__, known, seen)
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _used(inner, known, seen)


def is_about_a_volume(handler: Callable[..., Any]) -> bool:
    return any(
        used in (Volume, Snapshot) for used in _used(handler.__code__, handler.__globals__, set())
    )


async def test_every_command_about_a_volume_is_a_rival():
    available = await SITUATIONS["available"]()
    listed = {type(await rival(available, 0)) for rival in USERS.values()}
    for situation, due in DUE.items():
        given = await SITUATIONS[situation]()
        listed |= {type(await RIVALS[name](given, 0)) for name in due}
    about = {command for command, handler in HANDLERS.items() if is_about_a_volume(handler)}
    assert len(about) > 15
    assert about - listed - ELSEWHERE.keys() == set(), "list them in rivals.py"
    assert listed & ELSEWHERE.keys() == set()
    assert ELSEWHERE.keys() <= HANDLERS.keys()


def test_everything_listed_is_used():
    assert DUE.keys() <= SITUATIONS.keys()
    assert {*ALIKE, *ALIKE.values()} <= USERS.keys() and not {*ALIKE} & {*ALIKE.values()}
    due = {name for names in DUE.values() for name in names}
    assert due == RIVALS.keys() - USERS.keys() - {"offered"}
