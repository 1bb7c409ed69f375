"""What is different on a cluster, where streams are replicated."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.bus.nats import NatsBus
from adapters.bus.port import Message
from tests.support.cluster import Cluster
from tests.support.machines import on_loopback
from tests.support.patience import soon

pytestmark = pytest.mark.nats

KEEP_S = 60.0


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """Three servers."""
    cluster = Cluster(list(on_loopback(["one", "two", "three"]).values()), tmp_path)
    await cluster.start()
    yield cluster
    await cluster.stop()


async def connected(cluster: Cluster) -> NatsBus:
    return await NatsBus.connect(cluster.url.split(","), name="test", replicas=3, timeout_s=30)


def events(first: int, last: int) -> list[Message]:
    return [Message(n, f"lapilli.volume.placed._.{n}", b"{}") for n in range(first, last + 1)]


def notices(*positions: int) -> list[Message]:
    return [Message(n, "lapilli_notices.volume", b"{}", own_id=f"id-{n}") for n in positions]


async def test_publishers_that_get_in_each_other_s_way_do_not_stop_a_replicated_stream(
    cluster: Cluster,
) -> None:
    one, other = await connected(cluster), await connected(cluster)
    told = one.stream("notices", KEEP_S)
    await soon(told.publish(notices(5), after=0))
    await soon(other.stream("notices", KEEP_S).insert(notices(3)[0]))
    await soon(told.publish(notices(6, 7, 8), after=5))
    assert await soon(told.last_position()) == 8

    await soon(one.publish(events(1, 3), after=0))
    await soon(other.publish(events(1, 6), after=0))
    await soon(one.publish(events(4, 9), after=3))
    assert await soon(one.last_position()) == 9
    for bus in (one, other):
        await bus.close()
