"""Every kind of damage, done to the databases and files behind everybody's back, is named."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, delete, insert, select, update

from adapters.event_store import tables
from adapters.event_store.recorder import EventMapper
from domain.aggregates import default_type, service, volume
from domain.aggregates.closures import CLOSURES_ID, Changed, Closure
from domain.aggregates.quota_limits import DEFAULT_CLASS
from domain.aggregates.quota_reservation import QuotaReservation
from domain.event import Event, Moment, Recorded
from projections import generations
from projections.columns import filled
from projections.volumes import VOLUMES
from services.audit.report import KINDS
from tests.services.audit.auditing import FIRST, MALLORY, NOON, audit
from tests.services.audit.deployment import HOST, PROJECT, Deployment, an_id

# each damage, as a change and what must be named: kind, and a part of whose it is


def a_ledger_row(deployment: Deployment) -> None:
    table = tables.usage_table
    where = table.c.resource == "gigabytes"
    deployment.tamper(lambda c: c.execute(update(table).where(where).values(in_use=77)))


def a_lost_ledger_row(deployment: Deployment) -> None:
    table = tables.usage_table
    deployment.tamper(lambda c: c.execute(delete(table).where(table.c.resource == "volumes")))


def a_limit(deployment: Deployment) -> None:
    table = tables.limits_table
    deployment.tamper(lambda c: c.execute(update(table).values(limit=3)))


def a_limit_of_the_default_class(deployment: Deployment) -> None:
    table = tables.limits_table
    row = {"project_id": DEFAULT_CLASS, "resource": "volumes", "limit": 3}
    deployment.tamper(lambda c: c.execute(insert(table), row))


def a_name(deployment: Deployment) -> None:
    table = tables.names_table
    deployment.tamper(lambda c: c.execute(update(table).values(holder=an_id(99))))


def a_lost_name(deployment: Deployment) -> None:
    deployment.tamper(lambda c: c.execute(delete(tables.names_table)))


def a_view_row(deployment: Deployment) -> None:
    table = VOLUMES.table(1)
    change = update(table).where(table.c.id == FIRST).values(state="error", size_gib=9)
    deployment.tamper_with_views(lambda c: c.execute(change))


def a_lost_view_row(deployment: Deployment) -> None:
    table = VOLUMES.table(1)
    deployment.tamper_with_views(lambda c: c.execute(delete(table).where(table.c.id == FIRST)))


def an_extra_view_row(deployment: Deployment) -> None:
    table = VOLUMES.table(1)

    def copy(connection: Connection) -> None:
        one = select(*filled(table)).where(table.c.id == FIRST)
        row = connection.execute(one).mappings().one()
        connection.execute(insert(table), {**row, "id": an_id(99)})

    deployment.tamper_with_views(copy)


def a_view_ahead_of_the_log(deployment: Deployment) -> None:
    change = update(generations.positions).values(position=1000)
    deployment.tamper_with_views(lambda c: c.execute(change))


def a_view_that_stopped(deployment: Deployment) -> None:
    change = update(generations.positions).values(error="stopped after position 3: boom")
    deployment.tamper_with_views(lambda c: c.execute(change))


def a_lost_object(deployment: Deployment) -> None:
    deployment.file_of(FIRST).unlink()


def a_stray_object(deployment: Deployment) -> None:
    deployment.file_of(an_id(99)).touch()


def an_object_of_a_deleted_volume(deployment: Deployment) -> None:
    deployment.file_of(an_id(3)).touch()


def appended(id: UUID, version: int, event: Event) -> Callable[[Deployment], None]:
    """An event that no aggregate decided, at the end of the log."""

    def damage(deployment: Deployment) -> None:
        table = deployment.events
        moment = Moment(at=NOON, request_id="req-99", actor=MALLORY, cause=None)
        recorded = Recorded(aggregate_id=id, version=version, event=event, moment=moment)
        stored = EventMapper().to_stored_event(recorded)

        def add(connection: Connection) -> None:
            last = deployment.recorder.last_position(connection)
            row = {
                "id": last + 1,
                "originator_id": id,
                "originator_version": version,
                "topic": stored.topic,
                "state": stored.state,
            }
            connection.execute(insert(table), row)

        deployment.tamper(add)

    return damage


BUSY = volume.FoundBusy(host=HOST, attempt=1, reason="in use")


def changed_event(**values: Any) -> Callable[[Deployment], None]:
    """The third event of the first volume, changed in the table."""

    def damage(deployment: Deployment) -> None:
        table = deployment.events
        which = (table.c.originator_id == FIRST) & (table.c.originator_version == 3)
        deployment.tamper(lambda c: c.execute(update(table).where(which).values(**values)))

    return damage


def a_lost_event(deployment: Deployment) -> None:
    table = deployment.events
    which = (table.c.originator_id == FIRST) & (table.c.originator_version == 3)
    deployment.tamper(lambda c: c.execute(delete(table).where(which)))


def an_invented_cause(deployment: Deployment) -> None:
    table = deployment.events

    def change(connection: Connection) -> None:
        which = (table.c.originator_id == FIRST) & (table.c.originator_version == 3)
        state = connection.execute(select(table.c.state).where(which)).scalar_one()
        forged = state.replace(f"{FIRST}:2".encode(), f"{FIRST}:9".encode())
        assert forged != state
        connection.execute(update(table).where(which).values(state=forged))

    deployment.tamper(change)


def a_reservation_for_nothing(deployment: Deployment) -> None:
    reserved = QuotaReservation.reserve(
        an_id(77),
        project_id=PROJECT,
        subject=an_id(78),
        amounts={"volumes": 1},
        largest_gib=1,
        at=Moment(at=NOON, request_id="req-99", actor=MALLORY, cause=None),
    )
    appended(an_id(77), 1, reserved.pending[0].event)(deployment)


OF_NO_TYPE = volume.Requested(
    project_id=PROJECT,
    user_id="mallory",
    size_gib=1,
    name=None,
    description=None,
    metadata={},
    volume_type_id=str(an_id(50)),
    availability_zone=None,
    reservation_id=str(an_id(51)),
    zones=[],
    hints={},
)
NOT_AGREED = default_type.Chosen(project_id=PROJECT, volume_type_id=str(an_id(52)))
SILENTLY = service.Disabled(binary="cinder-volume", host="h@silent", reason=None)
CLOSED = Changed(closed={"h@listed": Closure(frozen=True)})

DAMAGES = [
    (appended(an_id(70), 1, SILENTLY), "closures.differ", "h@silent"),
    (appended(CLOSURES_ID, 1, CLOSED), "closures.differ", "h@listed"),
    (a_name, "names.held", "volume_type/__DEFAULT__"),
    (a_lost_name, "names.held", "volume_type/__DEFAULT__"),
    (appended(an_id(60), 1, OF_NO_TYPE), "catalogue.tie", str(an_id(60))),
    (appended(an_id(61), 1, NOT_AGREED), "catalogue.tie", str(an_id(52))),
    (a_ledger_row, "quota.usage", f"{PROJECT}/gigabytes"),
    (a_lost_ledger_row, "quota.usage", f"{PROJECT}/volumes"),
    (a_limit, "quota.limits", PROJECT),
    (a_limit_of_the_default_class, "quota.limits", DEFAULT_CLASS),
    (a_view_row, "projection.differs", f"volumes/{FIRST}"),
    (a_lost_view_row, "projection.missing", f"volumes/{FIRST}"),
    (an_extra_view_row, "projection.extra", f"volumes/{an_id(99)}"),
    (a_view_ahead_of_the_log, "projection.stopped", "volumes"),
    (a_view_that_stopped, "projection.stopped", "volumes"),
    (a_lost_object, "object.missing", str(FIRST)),
    (a_stray_object, "object.orphan", f"volume-{an_id(99)}"),
    (an_object_of_a_deleted_volume, "object.orphan", f"volume-{an_id(3)}"),
    (appended(FIRST, 6, BUSY), "log.transition", f"{FIRST}:6"),
    (appended(FIRST, 9, volume.Described(name="x", description=None)), "log.version", f"{FIRST}:9"),
    (changed_event(topic="volume.blessed.v1"), "log.undecodable", f"{FIRST}:3"),
    (changed_event(topic="volume.placed.v9"), "log.undecodable", f"{FIRST}:3"),
    (changed_event(state=b"{"), "log.undecodable", f"{FIRST}:3"),
    (a_lost_event, "log.position", ""),
    (a_lost_event, "log.version", f"{FIRST}:4"),
    (an_invented_cause, "log.cause", f"{FIRST}:3"),
    (a_reservation_for_nothing, "quota.held", str(an_id(78))),
    (a_reservation_for_nothing, "quota.open", str(an_id(77))),
]


@pytest.mark.parametrize(("damage", "kind", "whose"), DAMAGES)
async def test_damage_is_named(deployment, damage, kind, whose):
    await deployment.history()
    damage(deployment)
    report = await audit(deployment)
    assert report.exit_code == 1
    found = [finding for finding in report.findings if finding.kind == kind]
    assert found, report.findings
    assert any(whose in finding.id for finding in found), found


def test_every_kind_of_finding_has_a_meaning():
    assert {kind for _, kind, _ in DAMAGES} <= KINDS.keys()


async def test_only_what_is_damaged_is_named(deployment):
    await deployment.history()
    a_view_row(deployment)
    report = await audit(deployment)
    [finding] = report.findings
    assert finding.detail == "size_gib is 9, by the log 2; state is error, by the log available"
