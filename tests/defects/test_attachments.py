"""Cinder's defects around attachments, and in statuses that nobody ends."""

from typing import Any

import pytest

from adapters.drivers.contract import DriverFailure, InvalidConnector
from adapters.drivers.memory import Fault, Work
from domain.aggregates.volume import attaching, connecting, properties
from domain.errors import (
    NotAllowed,
)
from services.commands.attaching import AttachVolume, CompleteAttachment, HoldVolume
from tests.services.commands.world import World
from tests.services.processes.deaths import die_everywhere
from tests.services.processes.holding import (
    HOUR_S,
)
from tests.services.processes.lateness import late
from tests.services.processes.ring import ATTACHMENT, POOL, Ring, a_ring_with_a_volume
from tests.services.processes.waits import CASES
from tests.support.builders import PROJECT, a_moment, an_id


@pytest.mark.parametrize(
    "fault",
    [
        *(Fault(failure=DriverFailure("offline", True), work=work) for work in Work),
        Fault(failure=InvalidConnector("no iqn")),
    ],
)
async def test_defect_20_an_attachment_whose_connector_fails_leaves_nothing_reserved(fault):
    ring = await a_ring_with_a_volume()
    ring.faults.plan("connect_volume", fault)
    await ring.attach(connector={"host": "node-1"})
    assert (await ring.volume()).status == "reserved"
    await ring.go_on()
    volume = await ring.volume()
    assert (volume.status, volume.attachments) == ("available", {})
    assert ring.connections == set()


async def test_defect_20_only_what_is_connected_can_be_completed():
    ring = await a_ring_with_a_volume()
    await ring.attach()
    complete = CompleteAttachment(
        id=an_id(1), project_id=PROJECT, attachment_id=ATTACHMENT, at=a_moment()
    )
    with pytest.raises(NotAllowed, match="reserved"):
        await ring.world.another_process().run(complete)
    assert (await ring.volume()).status == "reserved"


@pytest.mark.parametrize(("readonly", "mode"), [(None, "rw"), (False, "rw"), (True, "ro")])
async def test_defect_20_a_readonly_flag_that_says_no_is_not_taken_for_yes(readonly, mode):
    ring = await a_ring_with_a_volume()
    volume = await ring.volume()
    if readonly is not None:
        properties.set_readonly(volume, readonly, a_moment())
    attaching.reserve(volume, ATTACHMENT, server_id=None, mode=None, at=a_moment())
    connecting.connect(volume, ATTACHMENT, {"host": "node-1"}, at=a_moment())
    await ring.store.append(volume.pending)
    await ring.go_on()
    [attached] = ring.backend.pools[POOL].connected.values()
    assert attached == mode


@pytest.mark.parametrize("wish", ["attach", "detach"])
async def test_defect_21_a_volume_never_stays_attaching_or_detaching_after_a_crash(wish):
    async def given() -> Ring:
        ring = await a_ring_with_a_volume()
        await ring.attach(connector={"host": "node-1"})
        if wish == "detach":
            await ring.go_on()
            await ring.detach()
        return ring

    async def then(ring: Ring) -> None:
        volume = await ring.volume()
        assert volume.at_rest
        assert volume.status == ("attaching" if wish == "attach" else "available")
        assert len(ring.connections) == len(volume.attachments)

    assert len(await die_everywhere(given, then)) > 5


async def test_defect_21_what_only_its_user_holds_its_user_can_let_go():
    for wish, back in (("reserve", "unreserve"), ("begin detaching", "roll detaching")):
        world = await (await World().has_a_type()).has_a_volume(in_state="available")
        hold: dict[str, Any] = {"id": an_id(1), "project_id": PROJECT, "at": a_moment()}
        if wish == "begin detaching":
            attached: dict[str, Any] = {
                "server_id": "s",
                "node": None,
                "device": "/dev/vdb",
                "mode": "rw",
            }
            await world.run(AttachVolume(**hold, **attached, attachment_id=ATTACHMENT))
        before = (await world.volume()).status
        await world.run(HoldVolume(**hold, wish=wish))
        held = await world.volume()
        assert held.status in ("attaching", "detaching") and held.at_rest
        await world.run(HoldVolume(**hold, wish=back))
        assert (await world.volume()).status == before


@pytest.mark.parametrize("interim", CASES)
async def test_defect_21_an_interim_state_ends_though_everybody_was_dead_and_some_never_come_back(
    tmp_path, interim
):
    there = await late(tmp_path)
    await there.comes_to(interim)
    there.ring.clock.now_s += HOUR_S
    await there.until_rest(without=CASES[interim].absent)
    assert (await there.ring.volume()).state == CASES[interim].ends[0]
    await there.assert_sound()
    await there.close()
