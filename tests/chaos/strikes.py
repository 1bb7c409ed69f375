"""What can go wrong with real processes: each begins, and ends with its context.

Should the body of a context fail, everything is killed, so there is nothing to be put in order.
"""

import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager

import msgspec

from tests.chaos.deployment import BACKENDS, BROKERS, DATABASE, SITES, Stricken
from tests.support.deployment import until

LEADER = "leader of "
ALL = "all"
THE_CLUSTER = "the cluster"


class NotThere(Exception):
    """What was to be struck is under another fault, or nobody knows who it is."""


class Kind(msgspec.Struct, frozen=True):
    """`often` is its weight among all that are possible here; `where` are names for `who`."""

    often: float
    where: Sequence[str]
    strike: Callable[[Stricken, str], AbstractContextManager[None]]
    networked: bool = False
    """Whether it needs machines with something between them."""
    may_end: Callable[[Stricken, str], bool] = lambda on, name: True
    """Whether it can be over now; what else is to be over may have to come first."""


# roles


@contextmanager
def _role_dies(on: Stricken, name: str) -> Iterator[None]:
    program = on.programs[name]
    program.signal(signal.SIGKILL)
    until(lambda: not program.running, what=f"death of {name}")
    yield
    program.start()


@contextmanager
def _role_is_stopped(on: Stricken, name: str) -> Iterator[None]:
    program = on.programs[name]
    program.signal(signal.SIGTERM)
    yield
    until(lambda: not program.running, what=f"orderly end of {name}")
    # a signal ends who has only begun to start
    in_order = program.status in (0, -signal.SIGTERM)
    assert in_order, f"{name} was to stop, and failed ({program.status}):\n{program.log_tail(60)}"
    program.start()


def _role_ended(on: Stricken, name: str) -> bool:
    return not on.programs[name].running


@contextmanager
def _role_stands_still(on: Stricken, name: str) -> Iterator[None]:
    with _standing_still([on.programs[name].pid]):
        yield


# brokers


def who(on: Stricken, where: str) -> str:
    """What is called so; the broker that leads a stream, the cluster, or the nth consumer."""
    if not where.startswith(LEADER):
        return where
    what = where.removeprefix(LEADER)
    kind, _, number = what.partition(" ")
    stream, consumer = what, ""
    if what == THE_CLUSTER:
        stream = ""
    elif kind == "consumer":
        consumers = on.cluster.consumers()
        if not consumers:
            raise NotThere("no consumers are known")
        stream, consumer = consumers[int(number) % len(consumers)]
    name = on.cluster.leader(stream, consumer)
    if name is None:
        raise NotThere(f"nobody is known to lead {what}")
    return name


@contextmanager
def _broker_dies(on: Stricken, name: str) -> Iterator[None]:
    broker = on.cluster.brokers[name]
    broker.kill()
    yield
    broker.start()


@contextmanager
def _broker_is_stopped(on: Stricken, name: str) -> Iterator[None]:
    broker = on.cluster.brokers[name]
    broker.signal(signal.SIGTERM)
    yield
    until(lambda: not broker.running, what=f"orderly end of {name}")
    broker.start()


def _broker_ended(on: Stricken, name: str) -> bool:
    return not on.cluster.brokers[name].running


@contextmanager
def _broker_stands_still(on: Stricken, name: str) -> Iterator[None]:
    with _standing_still([on.cluster.brokers[name].pid]):
        yield


@contextmanager
def _all_brokers_die(on: Stricken, _: str) -> Iterator[None]:
    there = [broker for broker in on.cluster.brokers.values() if broker.running]
    for broker in there:
        broker.kill()
    yield
    for broker in there:
        broker.start()


# the database


@contextmanager
def _database_dies(on: Stricken, _: str) -> Iterator[None]:
    on.postgres.kill()
    yield
    on.postgres.start()


@contextmanager
def _database_is_stopped(on: Stricken, _: str) -> Iterator[None]:
    on.postgres.stop()
    yield
    on.postgres.start()


@contextmanager
def _connection_dies(on: Stricken, _: str) -> Iterator[None]:
    """PostgreSQL then ends all others, and recovers."""
    serving = [each for each in on.postgres.family() if " test_" in " ".join(each.cmdline())]
    if not serving:
        raise NotThere("nobody is connected")
    serving[len(serving) // 2].kill()
    yield
    until(on.postgres.answers, what="PostgreSQL after the death of a connection")


@contextmanager
def _database_stands_still(on: Stricken, _: str) -> Iterator[None]:
    with _standing_still([on.postgres.pid, *(each.pid for each in on.postgres.family())]):
        yield


# the network


@contextmanager
def _cut_off(on: Stricken, name: str) -> Iterator[None]:
    on.machines[name].cut_off()
    yield
    on.machines[name].join()


@contextmanager
def _cut_from_peers(on: Stricken, name: str) -> Iterator[None]:
    with _cut(on, name, [each for each in BROKERS if each != name]):
        yield


@contextmanager
def _cut_from_brokers(on: Stricken, name: str) -> Iterator[None]:
    with _cut(on, name, BROKERS):
        yield


@contextmanager
def _cut_from_database(on: Stricken, name: str) -> Iterator[None]:
    with _cut(on, name, [DATABASE]):
        yield


@contextmanager
def _cut(on: Stricken, name: str, others: Sequence[str]) -> Iterator[None]:
    for other in others:
        on.machines[name].cut_from(on.machines[other])
    yield
    for other in others:
        on.machines[name].join_with(on.machines[other])


@contextmanager
def _standing_still(pids: Sequence[int]) -> Iterator[None]:
    stopped = [pid for pid in pids if _sent(pid, signal.SIGSTOP)]
    yield
    for pid in stopped:
        _sent(pid, signal.SIGCONT)


def _sent(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


_KINDS_OF_ROLE = ("api", "processes", "relay", "projector", *(f"backend-{b}" for b in BACKENDS))
ROLES = tuple(f"{role}-{n}" for role in _KINDS_OF_ROLE for n in range(len(SITES)))
_LED = (THE_CLUSTER, "LAPILLI", "LAPILLI", "LAPILLI_RETRIES", "KV_lapilli_lease_relay")
_LEADERS = tuple(LEADER + led for led in (*_LED, *(f"consumer {n}" for n in range(0, 60, 7))))
_BROKERS = (*BROKERS, *_LEADERS)

KINDS: Mapping[str, Kind] = {
    "a role is killed": Kind(8, ROLES, _role_dies),
    "a role stands still": Kind(5, ROLES, _role_stands_still),
    "a role is stopped": Kind(3, ROLES, _role_is_stopped, may_end=_role_ended),
    "a broker is killed": Kind(4, _BROKERS, _broker_dies),
    "a broker stands still": Kind(3, _BROKERS, _broker_stands_still),
    "a broker is stopped": Kind(2, _BROKERS, _broker_is_stopped, may_end=_broker_ended),
    "all brokers are killed": Kind(0.7, (ALL,), _all_brokers_die),
    "the database is killed": Kind(1, (DATABASE,), _database_dies),
    "the database is stopped": Kind(1, (DATABASE,), _database_is_stopped),
    "the database stands still": Kind(1, (DATABASE,), _database_stands_still),
    "a connection to the database is killed": Kind(1, (DATABASE,), _connection_dies),
    "a machine is cut off": Kind(3, (DATABASE, *BROKERS, *SITES), _cut_off, networked=True),
    "a broker is cut off from its peers": Kind(2, BROKERS, _cut_from_peers, networked=True),
    "a site is cut off from the brokers": Kind(2, SITES, _cut_from_brokers, networked=True),
    "a site is cut off from the database": Kind(2, SITES, _cut_from_database, networked=True),
}
