"""`lapilli verify` on quota: what operations hold while they are under way, and what stays open."""

from collections.abc import Sequence
from datetime import timedelta

from domain.aggregates.quota_limits import DEFAULT_CLASS
from domain.aggregates.quota_reservation import QuotaReservation
from domain.aggregates.volume import Volume, extension
from domain.event import Actor, Moment
from domain.quota import GIGABYTES, VOLUMES, of_type
from services.commands.quota_limits import ChangeQuotaLimits
from services.commands.settling import SettleReservation
from services.unit_of_work import Aggregates
from tests.services.audit.auditing import FIRST, NOON, audit
from tests.services.audit.deployment import PROJECT, Deployment, an_id

HELD = an_id(40)
AT = Moment(at=NOON - timedelta(hours=1), request_id="req-1", actor=Actor("ann", PROJECT))
LONG_AGO, NOT_YET = NOON - timedelta(minutes=30), NOON + timedelta(minutes=30)


def held(volume: Volume, *, until=LONG_AGO, **changes) -> QuotaReservation:
    wanted = {
        "project_id": volume.project_id,
        "subject": volume.id,
        "subject_kind": "volume",
        "amounts": of_type({GIGABYTES: 3}, volume.volume_type_id),
        "largest_gib": 5,
        **changes,
    }
    return QuotaReservation.hold(HELD, **wanted, at=AT, lifetime=until - AT.at)


async def a_volume(deployment: Deployment) -> Volume:
    await deployment.available(1, size_gib=2)
    return await Aggregates(deployment.store).read(Volume, FIRST)


def begun(volume: Volume) -> None:
    extension.request(volume, volume.size_gib + 3, reservation_id=str(HELD), at=AT)


def succeeded(volume: Volume) -> None:
    begun(volume)
    extension.place(volume, ceiling_gib=None, at=AT)
    extension.succeed(volume, extension.start(volume, "worker-1", AT), AT)


async def findings(deployment: Deployment, *stored) -> Sequence[tuple[str, str]]:
    """Kind and detail of what is found once these are stored too."""
    await Aggregates(deployment.store).write(*stored)
    await deployment.projected()
    return [(each.kind, each.detail) for each in (await audit(deployment)).findings]


async def test_what_is_held_for_an_operation_under_way_is_no_finding(deployment):
    volume = await a_volume(deployment)
    begun(volume)
    assert await findings(deployment, held(volume), volume) == []


async def test_what_is_held_for_an_operation_to_come_is_no_finding_before_its_deadline(deployment):
    volume = await a_volume(deployment)
    assert await findings(deployment, held(volume, until=NOT_YET)) == []


async def test_what_is_held_past_its_deadline_for_no_operation_is_found(deployment):
    volume = await a_volume(deployment)
    [(kind, detail)] = await findings(deployment, held(volume))
    assert (kind, detail) == ("quota.open", f"still reserved for volume {FIRST}, available")


async def test_what_a_success_left_open_is_found_until_it_is_settled(deployment):
    volume = await a_volume(deployment)
    reservation = held(volume)
    succeeded(volume)
    [(kind, _)] = await findings(deployment, reservation, volume)
    assert kind == "quota.open"
    assert await deployment.run(SettleReservation, id=HELD)
    assert await findings(deployment) == []


async def test_quota_that_is_held_in_the_wrong_project_is_named_for_both(deployment):
    volume = await a_volume(deployment)
    elsewhere = held(volume, amounts={VOLUMES: 1}, project_id="another", largest_gib=1)
    elsewhere.commit(AT)
    given = QuotaReservation.reserve(
        an_id(41),
        project_id=PROJECT,
        subject=FIRST,
        amounts={VOLUMES: -1},
        largest_gib=0,
        at=AT,
    )
    given.commit(AT)
    found = await findings(deployment, elsewhere, given)
    name = f"volume {FIRST}, available"
    assert found == [
        ("quota.held", f"{name}: reservations hold 0 volumes, not 1, of project {PROJECT}"),
        ("quota.held", f"{name}: reservations hold 1 volumes, not 0, of project another"),
    ]


async def test_a_deployment_with_a_default_class_is_green(deployment):
    await deployment.history()
    await deployment.run(ChangeQuotaLimits, subject=DEFAULT_CLASS, limits={"volumes": 1})
    await deployment.refused(5)
    assert await findings(deployment) == []
