"""Pools in `lapilli verify`: the ledger is the log, and placement kept its rules."""

import msgspec
from sqlalchemy import update

from adapters.event_store.tables import pools_table
from domain.aggregate import Aggregate
from domain.aggregates.closures import CLOSURES_ID, Closure, Closures
from domain.aggregates.volume import Volume
from domain.placement import Decision, Verdict
from domain.promises import PoolLedger, changes
from services.audit.promises import PromiseAudit
from tests.services.audit.auditing import audit, kinds
from tests.services.audit.deployment import HOST
from tests.support.builders import a_moment, a_request


async def test_a_ledger_that_says_something_else_than_the_log_is_named(deployment):
    await deployment.history()
    deployment.tamper(lambda c: c.execute(update(pools_table).values(gib=99)))
    report = await audit(deployment)
    assert kinds(report) == {"pool.promised"}
    [finding] = report.findings
    assert finding.id == HOST and "99 GiB in 2 volumes" in finding.detail


async def test_a_ledger_is_filled_from_a_log_that_is_older(deployment):
    await deployment.history()
    before = await deployment.store.promises()
    deployment.tamper(lambda c: pools_table.drop(c))
    deployment.store.create_tables()
    assert await deployment.store.promises() == before
    assert (await audit(deployment)).findings == []


def placed(number: int, *hosts: str, ceiling: float | None = None) -> list[Volume]:
    """A volume on these backends, one after the other; each but the last failed."""
    volume = a_request(number, size_gib=2)
    for index, host in enumerate(hosts):
        chosen = Verdict(pool=host, zone="nova")
        decision = Decision(candidates=[], chosen=chosen, ceiling_gib=ceiling)
        volume.place(decision, a_moment(), most=9)
        if index < len(hosts) - 1:
            volume.provisioning_failed(
                volume.start_provisioning("w", a_moment()), "full", a_moment(), elsewhere=True
            )
    return [volume]


def found(*volumes: Aggregate) -> list[str]:
    """What is wrong with a log of these, whose ledger is as it should be."""
    events = [recorded for volume in volumes for recorded in volume.pending]
    numbered = [msgspec.structs.replace(r, position=n) for n, r in enumerate(events, 1)]

    ledger = PoolLedger()
    ledger.take(changes(r.event for r in numbered))
    auditing = PromiseAudit(len(numbered), ledger.promised)
    for recorded in numbered:
        auditing.take(recorded)
    return [finding.kind for finding in auditing.findings()]


def test_a_log_that_over_commits_a_pool_is_found_out():
    assert found(*placed(1, "h@a#p", ceiling=4), *placed(2, "h@a#p", ceiling=4)) == []
    assert found(*placed(1, "h@a#p", ceiling=3), *placed(2, "h@a#p", ceiling=3)) == [
        "pool.overcommitted"
    ]


def test_a_volume_placed_where_it_failed_before_is_found_out():
    assert found(*placed(1, "h@a#p", "h@b#p")) == []
    assert found(*placed(1, "h@a#p", "h@b#p", "h@a#q")) == ["placement.repeated"]


def closures(*backends: str, lifted: bool = False) -> Closures:
    """These backends are disabled; and then enabled again, if it was lifted."""
    closures = Closures(id=CLOSURES_ID)
    for backend in backends:
        closures.mark(backend, Closure(disabled=True, reason="new disks"), a_moment())
    for backend in backends if lifted else ():
        closures.mark(backend, None, a_moment())
    return closures


def test_a_volume_placed_on_a_closed_backend_is_found_out():
    assert found(*placed(1, "h@a#p"), closures("h@a")) == []
    assert found(closures("h@b"), *placed(1, "h@a#p")) == []
    assert found(closures("h@a", "h@b", lifted=True), *placed(1, "h@a#p")) == []
    assert found(closures("h@a", "h@b"), *placed(1, "h@a#p")) == ["placement.closed"]
