"""The data path of the file driver: real NBD clients, real servers, and what kills them."""

import asyncio
import os
import signal
import socket
import stat
import tempfile
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from uuid import UUID, uuid4

import pytest

from adapters.drivers import nbd
from adapters.drivers.contract import Connected, Connection, Driver, DriverFailure, VolumeSpec
from adapters.drivers.file import GIB, FileDriver
from tests.adapters.drivers.connection_contract import NODE, ConnectionContract
from tests.adapters.drivers.contract import POOLS, a_volume, pool_stats
from tests.adapters.drivers.nbd_clients import (
    Refused,
    an_address,
    exporting,
    io,
    needs,
    only,
    session,
    size_bytes,
)
from tests.adapters.drivers.test_file_driver import killed_at_every_step, other_process, said

Opened = Callable[..., FileDriver]
clients = needs("nbdkit", "qemu-nbd", "qemu-io", "nbdinfo")


@pytest.fixture
def root() -> Iterator[Path]:
    """A directory whose name is short enough for sockets in it."""
    with tempfile.TemporaryDirectory(prefix="nbd-") as directory:
        yield Path(directory)


@pytest.fixture
async def opened(root: Path) -> AsyncIterator[Opened]:
    drivers: list[FileDriver] = []

    def give(directory: Path = root, **settings: str | int) -> FileDriver:
        drivers.append(FileDriver(directory, POOLS, **settings))  # type: ignore[arg-type]
        return drivers[-1]

    yield give
    for each in drivers:
        await each.close()
    assert exporting_below(root) == []


def exporting_below(directory: Path) -> list[int]:
    return [
        pid
        for pool in POOLS
        for volume in (directory / pool).glob("volume-*")
        for pid in exporting(volume)
    ]


@pytest.fixture
async def driver(opened: Opened) -> FileDriver:
    driver = opened()
    await driver.check()
    return driver


@pytest.fixture
async def spec(driver: FileDriver) -> VolumeSpec:
    spec = a_volume(size_gib=1)
    await driver.create_volume(spec)
    return spec


@pytest.fixture
def volume(root: Path, spec: VolumeSpec) -> Path:
    return root / spec.pool / spec.object_name


@pytest.fixture
def attachment_id() -> UUID:
    return uuid4()


def left(root: Path) -> set[str]:
    """What there is of exports, apart from the file by which drivers know of each other."""
    return {path.name for path in (root / ".nbd").glob("*")} - {"users"}


def occupied(volume: Path) -> int:
    return volume.stat().st_blocks


def lose(volume: Path) -> None:
    volume.unlink()


SERVERS = {
    "nbdkit on unix sockets": ("nbdkit", False),
    "nbdkit on ports": ("nbdkit", True),
    "qemu-nbd on unix sockets": ("qemu-nbd", False),
    "qemu-nbd on ports": ("qemu-nbd", True),
}


@pytest.fixture(params=SERVERS)
def served(
    request: pytest.FixtureRequest,
    opened: Opened,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Opened:
    """Like `opened`, with one program and one kind of address."""
    program, on_ports = SERVERS[request.param]
    settings = {"nbd_host": an_address()} if on_ports else {}
    only(monkeypatch, tmp_path / "bin", program)
    return lambda *arguments: opened(*arguments, **settings)


@clients
class TestFileDriverConnections(ConnectionContract):
    @pytest.fixture
    async def driver(self, served: Opened) -> Driver:
        driver = served()
        await driver.check()
        return driver

    @pytest.fixture
    def another(self, served: Opened) -> Opened:
        return served


@clients
class TestContent:
    async def test_what_is_written_is_read_after_detaching_and_attaching_again(
        self, served: Opened
    ):
        driver, spec = served(), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        for number in range(3):
            attachment_id = uuid4()
            uri = (await driver.connect_volume(spec, attachment_id, NODE, "rw")).data["uri"]
            for earlier in range(number):
                await io(uri, f"read -P {earlier + 1} {earlier}M 64k")
            await io(uri, f"write -P {number + 1} {number}M 64k", "flush")
            await driver.disconnect_volume(spec, attachment_id)
            with pytest.raises(Refused):
                await io(uri, "read 0 512")

    async def test_read_only_reads_and_refuses_writes(self, served: Opened):
        driver, spec = served(), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        writing = await driver.connect_volume(spec, uuid4(), NODE, "rw")
        reading = await driver.connect_volume(spec, uuid4(), NODE, "ro")
        await io(writing.data["uri"], "write -P 7 0 64k", "flush")
        await io(reading.data["uri"], "read -P 7 0 64k", read_only=True)
        with pytest.raises(Refused):
            await io(reading.data["uri"], "write -P 8 0 64k")
        await io(writing.data["uri"], "read -P 7 0 64k")

    async def test_an_attachment_that_becomes_read_only_refuses_writes(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID
    ):
        uri = (await driver.connect_volume(spec, attachment_id, NODE, "rw")).data["uri"]
        await io(uri, "write -P 7 0 64k")
        await driver.connect_volume(spec, attachment_id, NODE, "ro")
        with pytest.raises(Refused):
            await io(uri, "write -P 8 0 64k")

    async def test_two_writers_of_one_volume_see_one_content(self, served: Opened):
        driver, spec = served(), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        uris = [
            (await driver.connect_volume(spec, uuid4(), NODE, "rw")).data["uri"] for _ in range(2)
        ]
        assert uris[0] != uris[1]
        async with session(uris[0]) as left, session(uris[1]) as right:
            for number in range(1, 9, 2):
                await left.does(f"write -P {number} {number}M 64k")
                await right.does(f"read -P {number} {number}M 64k")
                await right.does(f"write -P {number + 1} {number}M 64k")
                await left.does(f"read -P {number + 1} {number}M 64k")

    async def test_growth_is_seen_by_whoever_connects_and_disturbs_nobody(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID
    ):
        """NBD tells a client the size once, when it connects; so a client that is connected has
        to connect again to see more, at the address that it has."""
        uri = (await driver.connect_volume(spec, attachment_id, NODE, "rw")).data["uri"]
        assert await size_bytes(uri) == 1 * GIB
        async with session(uri) as before:
            await driver.extend_volume(spec, 2)
            assert await size_bytes(uri) == 2 * GIB
            await before.does("write -P 7 0 64k")
        await io(uri, "read -P 7 0 64k", "write -P 9 1G 64k", "read -P 9 1G 64k")
        await io(uri, "read -P 0 1536M 64k")

    async def test_blocks_that_are_given_back_are_free_again(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID, volume: Path
    ):
        uri = (await driver.connect_volume(spec, attachment_id, NODE, "rw")).data["uri"]
        await io(uri, "write -P 7 0 4M", "flush")
        before = occupied(volume)
        await io(uri, "discard 0 4M", "flush")
        assert occupied(volume) < before
        await io(uri, "read -P 0 0 4M")


@clients
class TestWhoMayConnect:
    async def test_only_the_owner_comes_near_the_sockets(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID
    ):
        connection = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        directory = Path(str(connection.data["socket"])).parent
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700

    async def test_a_directory_that_others_may_enter_is_refused(
        self, driver: FileDriver, spec: VolumeSpec, root: Path
    ):
        (root / ".nbd").mkdir(mode=0o700, exist_ok=True)
        (root / ".nbd").chmod(0o755)
        with pytest.raises(DriverFailure, match="only its owner"):
            await driver.connect_volume(spec, uuid4(), NODE, "rw")

    async def test_a_client_of_another_attachment_does_not_get_in_by_its_old_port(
        self, served: Opened
    ):
        driver, spec = served(), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        connection = await driver.connect_volume(spec, uuid4(), NODE, "rw")
        stale = str(connection.data["uri"]).replace(str(connection.data["export"]), str(uuid4()))
        with pytest.raises(Refused):
            await io(stale, "read 0 512")
        with pytest.raises(Refused):
            await io(str(connection.data["uri"]).replace(str(connection.data["export"]), ""))
        await io(connection.data["uri"], "read 0 512")

    async def test_names_too_long_for_sockets_are_beside_temporary_files_and_go_in_the_end(
        self, opened: Opened, root: Path
    ):
        directory = root / ("long" * 25)
        directory.mkdir()
        driver, spec = opened(directory), a_volume(size_gib=1)
        await driver.check()
        await driver.create_volume(spec)
        connection = await driver.connect_volume(spec, uuid4(), NODE, "rw")
        path = Path(str(connection.data["socket"]))
        assert path.is_relative_to(tempfile.gettempdir())
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        await io(connection.data["uri"], "write -P 7 0 64k")
        await driver.close()
        assert not path.parent.exists()

        later = opened(directory)
        await later.check()
        await io(connection.data["uri"], "read -P 7 0 64k")


@clients
class TestDeath:
    async def test_a_killed_driver_leaves_the_data_path_to_the_next_one(
        self, driver: FileDriver, spec: VolumeSpec, volume: Path, root: Path
    ):
        await driver.close()
        async with other_process("connect", root, spec.id) as process:
            uri = await said(process)
            async with session(uri) as client:
                process.kill()
                await process.wait()
                await client.does("write -P 7 0 64k")

                [serving] = exporting(volume)
                later = FileDriver(root, POOLS)
                await later.check()
                [(_, attachment_id)] = await later.connections()
                connection = await later.connect_volume(spec, attachment_id, NODE, "rw")
                assert connection.data["uri"] == uri
                assert exporting(volume) == [serving]
                await client.does("read -P 7 0 64k")
        await later.close()
        assert exporting(volume) == []

    async def test_a_driver_that_closes_leaves_what_others_still_drive(
        self, driver: FileDriver, opened: Opened, spec: VolumeSpec, volume: Path
    ):
        other = opened()
        mine, theirs = uuid4(), uuid4()
        uri = (await driver.connect_volume(spec, mine, NODE, "rw")).data["uri"]
        await other.connect_volume(spec, theirs, NODE, "rw")
        await driver.close()
        await io(uri, "read 0 512")
        assert len(exporting(volume)) == 2
        await other.close()
        assert exporting(volume) == []

    async def test_who_only_looks_stops_nothing(
        self, driver: FileDriver, spec: VolumeSpec, root: Path, volume: Path
    ):
        await driver.close()
        async with other_process("connect", root, spec.id) as process:
            uri = await said(process)
        audit = FileDriver(root, POOLS)
        assert len(await audit.connections()) == 1
        await audit.stats()
        await audit.close()
        await io(uri, "read 0 512")
        [serving] = exporting(volume)
        await killed(serving)

    async def test_a_dead_export_is_started_again_where_it_was(self, served: Opened, root: Path):
        driver, spec, attachment_id = served(), a_volume(size_gib=1), uuid4()
        await driver.check()
        await driver.create_volume(spec)
        connection = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        await io(connection.data["uri"], "write -P 7 0 64k")
        for mend in (driver.connect_volume(spec, attachment_id, NODE, "rw"), driver.check()):
            [serving] = exporting_below(root)
            await killed(serving)
            with pytest.raises(Refused):
                await io(connection.data["uri"], "read 0 512")
            await mend
            await io(connection.data["uri"], "read -P 7 0 64k")

    async def test_nothing_is_left_of_a_connection_that_ended(
        self, driver: FileDriver, spec: VolumeSpec, root: Path, volume: Path
    ):
        first, second = uuid4(), uuid4()
        kept = await driver.connect_volume(spec, first, NODE, "rw")
        before = left(root)
        await driver.connect_volume(spec, second, NODE, "rw")
        await driver.disconnect_volume(spec, second)
        assert left(root) == before
        assert len(exporting(volume)) == 1
        async with session(kept.data["uri"]) as client:  # a client that stays does not hold it up
            await driver.disconnect_volume(spec, first)
            with pytest.raises((Refused, ConnectionError)):
                await client.does("read 0 512")
        assert left(root) == set()
        assert exporting(volume) == []

    async def test_a_number_that_became_another_processs_is_not_killed(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID, root: Path, volume: Path
    ):
        await driver.connect_volume(spec, attachment_id, NODE, "rw")
        [serving] = exporting(volume)
        await killed(serving)
        stranger = await asyncio.create_subprocess_exec("cat", stdin=PIPE, stdout=PIPE)
        try:
            (root / ".nbd" / f"{attachment_id}.pid").write_text(f"{stranger.pid}\n")
            await driver.connect_volume(spec, attachment_id, NODE, "rw")
            assert len(exporting(volume)) == 1
            await driver.disconnect_volume(spec, attachment_id)
            assert (await stranger.communicate(b"alive"))[0] == b"alive"
        finally:
            if stranger.returncode is None:
                stranger.kill()
                await stranger.wait()

    async def test_check_ends_connections_of_volumes_that_are_gone(
        self, driver: FileDriver, spec: VolumeSpec, attachment_id: UUID, root: Path, volume: Path
    ):
        await driver.connect_volume(spec, attachment_id, NODE, "rw")
        lose(volume)
        await driver.check()
        assert await driver.connections() == set()
        assert exporting(volume) == []
        assert left(root) == set()

    async def test_a_kill_at_any_step_of_connecting_or_disconnecting_is_mended_by_the_next_call(
        self, root: Path, opened: Opened
    ):
        attachment_id = UUID(int=8)
        for operation in ("connect", "disconnect"):
            for directory in await killed_at_every_step(operation, root / operation):
                spec = a_volume(id=UUID(int=7))
                volume = directory / "gold" / spec.object_name
                driver = opened(directory)
                await driver.check()
                assert await driver.connections() <= {Connected(spec.object_name, attachment_id)}
                if operation == "connect":
                    made = await driver.connect_volume(spec, attachment_id, NODE, "rw")
                    await _writes(made)
                    assert len(exporting(volume)) == 1
                await driver.disconnect_volume(spec, attachment_id)
                assert exporting(volume) == []
                assert left(directory) == set()
                await driver.delete_volume(spec)
                await driver.close()


async def _writes(connection: Connection) -> None:
    """As a client would, but quicker than starting one: an NBD server answers there."""
    address = nbd.Address(path=str(connection.data["socket"]))
    assert await asyncio.to_thread(address.greets)


async def killed(pid: int) -> None:
    """kill -9, and wait for the end."""
    process = os.pidfd_open(pid)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(process, ended.set)
    try:
        signal.pidfd_send_signal(process, signal.SIGKILL)
        async with asyncio.timeout(50):
            await ended.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)


@clients
class TestPorts:
    async def test_attachments_have_ports_of_their_own_that_stay_theirs(self, opened: Opened):
        address = an_address()
        driver = opened(nbd_host=address)
        await driver.check()
        one, two = a_volume(size_gib=1), a_volume(size_gib=1)
        for each in (one, two):
            await driver.create_volume(each)
        attachment_id = uuid4()
        before = await driver.connect_volume(one, attachment_id, NODE, "rw")
        await io(before.data["uri"], "write -P 7 0 64k")
        await driver.close()

        later = opened(nbd_host=address)
        other = await later.connect_volume(two, uuid4(), NODE, "rw")
        assert other.data["port"] != before.data["port"]
        assert await later.connect_volume(one, attachment_id, NODE, "rw") == before
        await io(before.data["uri"], "read -P 7 0 64k")

    async def test_a_port_that_somebody_took_meanwhile_is_said_and_not_evaded(
        self, opened: Opened, spec: VolumeSpec, attachment_id: UUID
    ):
        address = an_address()
        driver = opened(nbd_host=address, nbd_first_port=20809)
        before = await driver.connect_volume(spec, attachment_id, NODE, "rw")
        await driver.close()
        later = opened(nbd_host=address)
        with socket.create_server((address, 20809)):
            await later.check()
            with pytest.raises(DriverFailure, match="took its port"):
                await later.connect_volume(spec, attachment_id, NODE, "rw")
            assert len(await later.connections()) == 1
        assert await later.connect_volume(spec, attachment_id, NODE, "rw") == before

    async def test_an_address_of_another_machine_is_refused_with_what_to_set(
        self, opened: Opened, spec: VolumeSpec, root: Path
    ):
        driver = opened(nbd_host="192.0.2.1")
        with pytest.raises(DriverFailure, match="nbd_host"):
            await driver.connect_volume(spec, uuid4(), NODE, "rw")
        assert left(root) == set()


class TestWithoutPrograms:
    """These need no NBD program to be installed."""

    async def test_attaching_is_refused_and_the_report_says_why(
        self,
        driver: FileDriver,
        spec: VolumeSpec,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        only(monkeypatch, tmp_path / "bin")
        with pytest.raises(DriverFailure, match="install the package nbdkit") as failure:
            await driver.connect_volume(spec, uuid4(), NODE, "rw")
        assert not failure.value.retryable_elsewhere
        stats = await driver.stats()
        assert (stats.data_path, stats.data_path_problem) == ("none", nbd.NO_PROGRAM)
        assert (await pool_stats(driver)).capabilities["multiattach"] is False
        await driver.disconnect_volume(spec, uuid4())
        assert await driver.connections() == set()
        await driver.check()
        await driver.delete_volume(spec)

    async def test_a_program_that_fails_is_quoted_and_leaves_nothing(
        self,
        driver: FileDriver,
        spec: VolumeSpec,
        root: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        only(monkeypatch, tmp_path / "bin")
        broken = tmp_path / "bin" / "nbdkit"
        broken.write_text("#!/bin/sh\necho 'no such plugin: file' >&2\nexit 1\n")
        broken.chmod(0o755)
        assert (await driver.stats()).data_path == "nbd"
        with pytest.raises(DriverFailure, match="nbdkit does not start: no such plugin: file"):
            await driver.connect_volume(spec, uuid4(), NODE, "rw")
        assert left(root) == set()
        assert await driver.connections() == set()

    async def test_a_program_that_does_not_serve_is_ended(
        self,
        driver: FileDriver,
        spec: VolumeSpec,
        root: Path,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ):
        path = os.environ["PATH"]
        only(monkeypatch, tmp_path / "bin")
        idle = tmp_path / "bin" / "nbdkit"
        idle.write_text(f'#!/bin/sh\nPATH={path}\nsleep 600 >/dev/null 2>&1 &\necho $! >"$2"\n')
        idle.chmod(0o755)
        with pytest.raises(DriverFailure, match="does not serve"):
            await driver.connect_volume(spec, uuid4(), NODE, "rw")
        assert left(root) == set()

    async def test_a_damaged_record_is_named(
        self, driver: FileDriver, spec: VolumeSpec, root: Path, attachment_id: UUID
    ):
        (root / ".nbd").mkdir(mode=0o700, exist_ok=True)
        record = root / ".nbd" / f"{attachment_id}.json"
        record.write_text("{")
        with pytest.raises(DriverFailure, match=str(record)):
            await driver.connections()
        with pytest.raises(DriverFailure, match=str(record)):
            await driver.delete_volume(spec)
