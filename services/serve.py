"""`lapilli serve`: everything in one supervised process tree, on one data directory."""

import asyncio
import ctypes
import fcntl
import gc
import multiprocessing
import os
import selectors
import shutil
import signal
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess
from pathlib import Path

import msgspec
import structlog

from adapters.bus.nats_server import NatsServer, NatsServerFailed
from services import composition
from services.settings import Settings

log = structlog.get_logger()

STOP_S = 15.0
"""How long a child may take to stop before it is killed."""

START_S = 30.0
"""How long the first start may take before it counts as failed."""

RESTART_PAUSE_S = 0.5
ROOM_BYTES = 1 << 20
"""What must be free in the data directory for a start to make sense."""

_PR_SET_PDEATHSIG = 1


class CannotServe(Exception):
    """Why it does not start, in one line for the person who started it."""


class _Child(msgspec.Struct, eq=False):
    """A process of ours, started again whenever it ends."""

    name: str
    roles: Sequence[str]
    process: BaseProcess | None = None
    started_at: float = 0.0


def serve(settings: Settings, *, announce: Callable[[str], None]) -> None:
    """Runs until SIGINT or SIGTERM. `announce` is told where it answers, once it does.

    The API is one process, everything else a second: on two cores neither waits for the other.
    Raises CannotServe.
    """
    os.umask(0o077)  # events, views and volumes are nobody else's business
    with _data_dir(settings.data_path):
        if settings.metrics.enabled:
            _share_metrics(settings.data_path / "metrics")
        _serve(settings, announce)


def _serve(settings: Settings, announce: Callable[[str], None]) -> None:
    with _listening(settings) as listener:
        settings = _at_port(settings, listener.getsockname()[1])
        nats = _start_nats(settings) if settings.nats_is_embedded else None
        try:
            _Tree(settings, listener, nats, announce).run()
        finally:
            if nats is not None:
                asyncio.run(nats.stop())


class _Tree:
    """The supervisor. It is single-threaded and holds no connections, so that it may fork."""

    def __init__(
        self,
        settings: Settings,
        listener: socket.socket,
        nats: NatsServer | None,
        announce: Callable[[str], None],
    ) -> None:
        self._settings = settings
        self._listener = listener
        self._nats = nats
        self._announce = announce
        self._fork = multiprocessing.get_context("fork")
        self._ready, self._is_ready = os.pipe()
        self._wake, self._woken = os.pipe()
        os.set_blocking(self._woken, False)
        backends = [f"backend:{name}" for name in settings.backends]
        self._children = [
            _Child("api", ["api"]),
            _Child("engine", ["relay", "projector", "processes", *backends]),
        ]
        self._stopping = False
        self._served = False

    def run(self) -> None:
        """Starts the children, keeps them running, stops them. Raises CannotServe."""
        signal.set_wakeup_fd(self._woken)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._stop)
        # not above, since the variable for the metrics has to be set; before the children are
        # started, so that they share what is loaded
        import services.process  # noqa: F401

        gc.freeze()  # pages that the collector leaves alone stay shared with the children
        try:
            for child in self._children:
                self._start(child)
            self._watch()
        finally:
            self._stop_children()
            signal.set_wakeup_fd(-1)

    def _stop(self, *_: object) -> None:
        self._stopping = True

    def _start(self, child: _Child) -> None:
        from services.process import run

        child.started_at = time.monotonic()
        child.process = self._fork.Process(
            target=_be,
            args=(os.getpid(), run, self._settings, child.roles, self._is_ready, self._listener),
            name=f"lapilli-{child.name}",
        )
        child.process.start()

    def _watch(self) -> None:
        deadline = time.monotonic() + START_S
        while not self._stopping:
            self._wait()
            self._revive()
            if not self._served and time.monotonic() > deadline:
                raise CannotServe(f"not ready after {START_S:g} s; see the log above")

    def _wait(self) -> None:
        """Until a signal, a death or a first answer; half a second at most."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake, selectors.EVENT_READ)
            selector.register(self._ready, selectors.EVENT_READ)
            for child in self._children:
                if child.process is not None:
                    selector.register(child.process.sentinel, selectors.EVENT_READ)
            for key, _ in selector.select(RESTART_PAUSE_S):
                if key.fd == self._wake:
                    os.read(self._wake, 1024)
                elif key.fd == self._ready:
                    self._answered(os.read(self._ready, 1024))

    def _answered(self, names: bytes) -> None:
        if b"a" in names and not self._served:
            self._served = True
            host, port = self._listener.getsockname()[:2]
            self._announce(f"http://{host}:{port}")

    def _revive(self) -> None:
        if self._nats is not None and self._nats.pid is None:
            log.error("nats-server ended; starting it again")
            try:
                asyncio.run(self._nats.start())
            except NatsServerFailed as failed:
                log.error("nats-server does not start", reason=str(failed))
        for child in self._children:
            process = child.process
            if process is not None and not process.is_alive() and not self._stopping:
                process.join()
                if not self._served:
                    raise CannotServe(
                        f"{child.name} ended while starting ({process.exitcode}); see the log above"
                    )
                log.error("process ended; starting it again", name=child.name)
                pause_s = RESTART_PAUSE_S - (time.monotonic() - child.started_at)
                time.sleep(max(0.0, pause_s))
                self._start(child)

    def _stop_children(self) -> None:
        """The API first: what it has accepted is then still relayed and worked on."""
        deadline = time.monotonic() + STOP_S
        for child in self._children:
            if child.process is not None and child.process.is_alive():
                child.process.terminate()
        for child in self._children:
            if child.process is not None:
                child.process.join(max(0.0, deadline - time.monotonic()))
                if child.process.is_alive():
                    log.error("process does not stop; killing it", name=child.name)
                    child.process.kill()
                    child.process.join()


def _be(
    parent: int,
    run: Callable[..., None],
    settings: Settings,
    roles: Sequence[str],
    is_ready: int,
    listener: socket.socket,
) -> None:
    """A child, from the fork on. Ctrl-C is the supervisor's, who stops us in order."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    name = roles[0][:1].encode()
    told = False

    def ready() -> None:
        nonlocal told
        if not told:
            told = True
            os.write(is_ready, name)

    run(settings, roles, ready=ready, listener=listener if "api" in roles else None)


@contextmanager
def _data_dir(path: Path) -> Iterator[None]:
    """The directory, ready to write to and ours alone while we run. Raises CannotServe."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock = os.open(path / "lapilli.lock", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise CannotServe(f"cannot use the data directory {path}: {error.strerror}") from error
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "another process"
            raise CannotServe(f"another lapilli (process {holder}) is running on {path}") from None
        os.ftruncate(lock, 0)
        _check_room(path)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


def _check_room(path: Path) -> None:
    """Really writes: quotas and reserved blocks make free space a guess."""
    probe = path / ".room"
    try:
        with probe.open("wb") as file:
            file.write(bytes(ROOM_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise CannotServe(f"cannot write to the data directory {path}: {error.strerror}") from error
    finally:
        probe.unlink(missing_ok=True)


@contextmanager
def _listening(settings: Settings) -> Iterator[socket.socket]:
    """The API's socket, bound before anything is started. Raises CannotServe."""
    from services.http import bind

    host, port = settings.api.host, settings.api.port
    try:
        listener = bind(host, port)
    except OSError as error:
        raise CannotServe(f"cannot listen on {host}:{port}: {error.strerror}") from error
    with listener:
        yield listener


def _at_port(settings: Settings, port: int) -> Settings:
    return msgspec.structs.replace(settings, api=msgspec.structs.replace(settings.api, port=port))


def _start_nats(settings: Settings) -> NatsServer:
    nats = NatsServer(settings.nats_path)
    try:
        asyncio.run(nats.start())
    except NatsServerFailed as failed:
        raise CannotServe(str(failed)) from failed
    composition.nats_url_file(settings).write_text(f"{nats.url}\n")
    return nats


def _share_metrics(path: Path) -> None:
    """Lets the processes of the tree count together, from nought.

    prometheus_client reads the variable when it is first imported.
    """
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(path)
