"""parked: what process managers gave up on, on a real nats-server."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from adapters.bus.nats import NatsBus
from adapters.bus.nats_server import NatsServer
from adapters.bus.port import Delivery, Message
from tests.adapters.bus.stage import a_bus

pytestmark = pytest.mark.nats

ID = "00000001-0000-0000-0000-000000000abc"
SUBJECT = f"lapilli.volume.placed.host1@files.{ID}"
PAYLOAD = b'{"type": "volume.placed", "data": {"host": "host1@files#files"}}'
ERROR = "ValueError: 300 GiB do not fit\n  in 100 GiB"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NatsServer]:
    made = NatsServer(tmp_path_factory.mktemp("nats"))
    asyncio.run(made.start())
    yield made
    asyncio.run(made.stop())


async def deliveries(bus: NatsBus, expected: int) -> list[Delivery]:
    inbox = await bus.inbox("provisioning", ["lapilli.volume.placed.*.*"], 30.0, 10)
    found: list[Delivery] = []
    while len(found) < expected:
        found += await inbox.next(10)
    return found


@pytest.fixture
def options(server: NatsServer) -> Iterator[list[str]]:
    """Two parked messages, and how to reach them."""

    async def park() -> None:
        bus = await a_bus(server)
        after = await bus.last_position()
        messages = [Message(after + n, SUBJECT, PAYLOAD) for n in (1, 2)]
        await bus.publish(messages, after)
        at = datetime(2030, 1, 2, 8, 0, tzinfo=UTC)
        for delivery in await deliveries(bus, 2):
            await bus.park("provisioning", delivery, ERROR, at)
        await bus.close()

    async def forget() -> None:
        bus = await a_bus(server)
        for each in await bus.parked():
            await bus.retry_parked(each.id)
        for delivery in await deliveries(bus, 2):
            await delivery.ack()
        await bus.close()

    asyncio.run(park())
    yield ["--nats-url", server.url]
    asyncio.run(forget())


def ids(invoke, options) -> list[int]:
    shown = invoke("parked", "list", "--json", *options)
    assert shown.exit_code == 0, shown.output
    return [json.loads(line)["id"] for line in shown.output.splitlines()]


def test_what_is_parked_is_listed_shown_and_given_back(invoke, options):
    listed = invoke("parked", "list", *options)
    assert listed.exit_code == 0
    assert "provisioning" in listed.output
    assert all(len(line) <= 80 for line in listed.output.splitlines())
    first, second = ids(invoke, options)

    shown = invoke("parked", "show", str(first), *options)
    assert "in 100 GiB" in shown.output
    assert '"host": "host1@files#files"' in shown.output
    told = json.loads(invoke("parked", "show", str(first), "--json", *options).output)
    assert (told["error"], told["payload"]["type"]) == (ERROR, "volume.placed")

    assert f"1 given back: {first}" in invoke("parked", "retry", str(first), *options).output
    assert ids(invoke, options) == [second]
    again = invoke("parked", "retry", str(first), *options)
    assert (again.exit_code, "could not be found" in again.output) == (1, True)


def test_all_can_be_given_back_at_once(invoke, options):
    both = ids(invoke, options)
    done = invoke("parked", "retry", "--all", *options)
    assert done.output == f"2 given back: {', '.join(map(str, both))}\n"
    assert invoke("parked", "list", *options).output == "nothing is parked\n"
    assert invoke("parked", "retry", "--all", *options).output == "none is parked\n"
    assert invoke("parked", "show", "1", *options).exit_code == 1


@pytest.mark.parametrize("arguments", [[], ["3", "--all"]])
def test_a_retry_says_what(invoke, options, arguments):
    assert invoke("parked", "retry", *arguments, *options).exit_code == 2


def test_without_a_running_server_it_says_so_at_once(invoke, tmp_path: Path):
    never = invoke("parked", "list", "--data-dir", tmp_path)
    assert (never.exit_code, "was ever started" in never.output) == (1, True)
    (tmp_path / "nats.url").write_text("nats://127.0.0.1:1\n")
    stopped = invoke("parked", "list", "--data-dir", tmp_path)
    assert (stopped.exit_code, "is not running" in stopped.output) == (1, True)
