"""Services as administrators want them, and the list of closed backends."""

from collections.abc import Callable

import pytest

from domain.aggregates.closures import CLOSURES_ID, Closure, Closures
from domain.aggregates.service import VOLUME_SERVICE, Service, ServiceName
from domain.errors import InvalidRequest
from tests.support.builders import a_moment, bare

NAME = ServiceName(VOLUME_SERVICE, "h@a")
NOW = a_moment()

ACTIONS: dict[str, Callable[[Service], None]] = {
    "disable": lambda s: s.disable(NAME, None, NOW),
    "disable: disks": lambda s: s.disable(NAME, "disks", NOW),
    "disable: power": lambda s: s.disable(NAME, "power", NOW),
    "enable": lambda s: s.enable(NAME, NOW),
    "freeze": lambda s: s.freeze(NAME, NOW),
    "thaw": lambda s: s.thaw(NAME, NOW),
}

OPEN = None
POWERLESS = Closure(disabled=True, reason="power")
TABLE = [
    # what was done, what is recorded of it, and how it is closed then
    ([], [], OPEN),
    (["disable"], ["disabled"], Closure(disabled=True)),
    (["disable: disks"], ["disabled"], Closure(disabled=True, reason="disks")),
    (["disable: disks", "disable"], ["disabled"], Closure(disabled=True, reason="disks")),
    (["disable: disks"] * 2, ["disabled"], Closure(disabled=True, reason="disks")),
    (["disable: disks", "disable: power"], ["disabled"] * 2, POWERLESS),
    (["enable"], [], OPEN),
    (["disable: disks", "enable"], ["disabled", "enabled"], OPEN),
    (["disable: disks", "enable", "enable", "disable"], ["disabled", "enabled", "disabled"],
     Closure(disabled=True)),
    (["freeze"], ["frozen"], Closure(frozen=True)),
    (["freeze", "disable"], ["frozen", "disabled"], Closure(disabled=True, frozen=True)),
    (["freeze", "disable", "enable"], ["frozen", "disabled", "enabled"], Closure(frozen=True)),
    (["disable", "freeze", "thaw"], ["disabled", "frozen", "thawed"], Closure(disabled=True)),
    (["freeze", "thaw"], ["frozen", "thawed"], OPEN),
]  # fmt: skip


def done(*actions: str) -> Service:
    service = Service(id=NAME.id)
    for action in actions:
        ACTIONS[action](service)
    return service


@pytest.mark.parametrize(("actions", "recorded", "closure"), TABLE)
def test_what_is_done_to_a_service_and_how_it_is_closed_then(actions, recorded, closure):
    service = done(*actions)
    assert [event.verb for event in bare(service.pending)] == recorded
    assert service.closure == closure
    if recorded:
        replayed = Service.from_history(NAME.id, service.pending)
        assert (replayed.closure, replayed.host) == (closure, NAME.host)


@pytest.mark.parametrize("actions", [["thaw"], ["freeze", "freeze"], ["freeze", "thaw", "thaw"]])
def test_only_what_is_not_frozen_can_be_frozen_and_only_what_is_can_be_thawed(actions):
    service = done(*actions[:-1])
    before = len(service.pending)
    with pytest.raises(InvalidRequest, match="frozen"):
        ACTIONS[actions[-1]](service)
    assert len(service.pending) == before


def test_programs_and_hosts_are_different_services():
    names = [ServiceName(b, h) for b in ("cinder-volume", "cinder-backup") for h in ("a", "b")]
    assert len({name.id for name in names}) == 4


WORDS = [
    (Closure(disabled=True), "disabled"),
    (Closure(disabled=True, reason="new disks"), "disabled: new disks"),
    (Closure(frozen=True), "frozen"),
    (Closure(disabled=True, reason="new disks", frozen=True), "disabled: new disks and frozen"),
]


@pytest.mark.parametrize(("closure", "why"), WORDS)
def test_a_closure_says_why(closure, why):
    assert closure.why == why


def test_the_list_tells_all_that_are_closed_and_is_lifted_with_the_last():
    closures = Closures(id=CLOSURES_ID)
    closures.mark("h@a", Closure(disabled=True), NOW)
    closures.mark("h@b", Closure(frozen=True), NOW)
    closures.mark("h@b", Closure(frozen=True), NOW)
    closures.mark("h@c", None, NOW)
    assert closures.reasons == {"h@a": "disabled", "h@b": "frozen"}
    closures.mark("h@a", None, NOW)
    closures.mark("h@b", None, NOW)
    assert [event.verb for event in bare(closures.pending)] == ["changed"] * 3 + ["lifted"]
    assert (closures.reasons, closures.state) == ({}, "none")


def test_only_what_is_on_a_frozen_backend_must_not_change():
    closures = Closures(id=CLOSURES_ID)
    closures.mark("h@a", Closure(disabled=True), NOW)
    closures.mark("h@b", Closure(frozen=True), NOW)
    for host in ("h@a#p", "h@c#p", "h@bb#p"):
        closures.check_not_frozen(host)
    with pytest.raises(InvalidRequest, match="h@b is frozen"):
        closures.check_not_frozen("h@b#p")
