"""Volumes that are exported over NBD: one process per attachment, and a record that outlives it."""

import fcntl
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from uuid import UUID

import msgspec

from adapters.drivers import nbd, process_lock
from adapters.drivers.contract import AttachMode, Connected, Connection, DriverFailure
from adapters.drivers.durable import appearing, partial_of, remove, sync_directory
from adapters.drivers.sparse_file import is_whole

DIRECTORY = ".nbd"
USERS = "users"
LAST_PORT = 65535


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """How an attachment's volume is exported, whether or not it is at the moment."""

    attachment_id: UUID
    pool: str
    object_name: str
    mode: AttachMode
    program: str
    address: nbd.Address

    @property
    def volume_id(self) -> UUID:
        return UUID(self.object_name.removeprefix("volume-"))

    @property
    def connected(self) -> Connected:
        return Connected(self.object_name, self.attachment_id)

    @property
    def connection(self) -> Connection:
        name = str(self.attachment_id)
        return Connection(
            driver_volume_type="nbd",
            data={
                "uri": self.address.uri(name),
                "export": name,
                **self.address.parts(),
                "volume_id": str(self.volume_id),
            },
        )


class Exports:
    """The exports of volumes below a directory, shared by all processes that drive it.

    The record of an export is there before its process and stays when that is lost: it is what
    being connected means, and it keeps the address. A process holds its `.pid` file
    (`process_lock`) whoever started it.

    All calls block and raise OSError besides what they say. During `connect` and `disconnect` the
    caller holds the volume's lock.
    """

    def __init__(self, directory: Path, *, host: str = "", first_port: int = 10809) -> None:
        """On Unix sockets; or, given a `host`, on its ports from the first one on."""
        self._directory = directory / DIRECTORY
        self._sockets = nbd.socket_directory(self._directory)
        self._host = host
        self._first_port = first_port
        self._joining = threading.Lock()
        self._joined: int | None = None

    def all(self) -> list[Export]:
        """What is connected. Raises DriverFailure for a record that somebody has damaged."""
        found = (self._record(path) for path in self._directory.glob("*.json"))
        return [export for export in found if export is not None]

    def of(self, pool: str, object_name: str) -> list[Export]:
        """What one volume is connected for."""
        return [each for each in self.all() if (each.pool, each.object_name) == (pool, object_name)]

    def connect(self, file: Path, *, pool: str, attachment_id: UUID, mode: AttachMode) -> Export:
        """Export the file for the attachment, where it was before if it was. Raises DriverFailure.

        What serves it in this mode is left alone.
        """
        self._join()
        kept = self._record(self._path(attachment_id, ".json"))
        if kept and (kept.pool, kept.object_name) != (pool, file.name):
            raise DriverFailure(
                f"attachment {attachment_id} is connected to {kept.object_name} in {kept.pool}",
                False,
            )
        if kept and kept.mode == mode and self._serves(kept):
            return kept
        program = nbd.installed()
        if program is None:
            raise DriverFailure(nbd.NO_PROGRAM, False)
        if kept:
            self._stop(kept)
        export = Export(
            attachment_id=attachment_id,
            pool=pool,
            object_name=file.name,
            mode=mode,
            program=program.name,
            address=self._address(attachment_id, kept),
        )
        try:
            self._write(export)
            self._start(program, export, file)
        except BaseException:
            if kept:
                self._stop(export)
            else:
                self.disconnect(attachment_id)
            raise
        return export

    def bring_back(self, export: Export, file: Path) -> None:
        """Connect it as it was, unless it was disconnected since; if its volume is gone it ends.

        The caller holds the volume's lock.
        """
        if export not in self.all():
            return
        if not is_whole(file):
            self.disconnect(export.attachment_id)
            return
        # The backend is usable without it, and whoever connects again is told what is wrong.
        with suppress(DriverFailure, OSError):
            self.connect(
                file, pool=export.pool, attachment_id=export.attachment_id, mode=export.mode
            )

    @contextmanager
    def still(self, pool: str, object_name: str) -> Iterator[None]:
        """Let clients of the volume wait who would change it. The caller holds its lock, alone.

        If we die they wait until it is connected again, as when this is done again. Raises
        DriverFailure.
        """
        with ExitStack() as stopped:
            for export in self.of(pool, object_name):
                if export.mode == "rw":
                    process = self._path(export.attachment_id, ".pid")
                    stopped.enter_context(process_lock.standing_still(process))
            yield

    def check_growth(self, pool: str, object_name: str) -> None:
        """Raises DriverFailure if a client of the volume would never see its new size."""
        blind = {program.name for program in nbd.PROGRAMS if not program.shows_growth}
        for export in self.of(pool, object_name):
            if export.program in blind:
                raise DriverFailure(
                    f"clients of {export.program} would not see {object_name} grow: detach it"
                    " first, or install nbdkit before it is attached",
                    False,
                )

    def disconnect(self, attachment_id: UUID) -> None:
        """End the attachment's export and forget it; nothing there is success."""
        if kept := self._record(self._path(attachment_id, ".json")):
            self._stop(kept)
        remove(self._socket(attachment_id))
        if not self._directory.exists():
            return
        record = self._path(attachment_id, ".json")
        for path in (self._path(attachment_id, ".pid"), partial_of(record), record):
            remove(path)
        sync_directory(self._directory)

    def close(self) -> None:
        """Let go. The last process to do so stops every export; what is connected stays so."""
        if self._joined is None:
            return
        try:
            fcntl.flock(self._joined, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return  # others are at work here
        else:
            for export in self.all():
                self._stop(export)
            if self._sockets != self._directory:
                with suppress(OSError):  # never made, or not only ours
                    self._sockets.rmdir()
        finally:
            os.close(self._joined)
            self._joined = None

    def _join(self) -> None:
        """Be one of those who drive this directory, for as long as this process lives."""
        with self._joining:
            if self._joined is None:
                _make_private(self._directory)
                users = os.open(
                    self._directory / USERS, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
                )
                try:
                    fcntl.flock(users, fcntl.LOCK_SH)
                except BaseException:
                    os.close(users)
                    raise
                self._joined = users

    def _serves(self, export: Export) -> bool:
        process = self._path(export.attachment_id, ".pid")
        process_lock.go_on(process)  # who had it stand still is dead: we have the volume's lock
        return process_lock.runs(process) and export.address.greets()

    def _start(self, program: nbd.Program, export: Export, file: Path) -> None:
        pid_file = self._path(export.attachment_id, ".pid")
        service = nbd.Service(
            file=file,
            export=str(export.attachment_id),
            mode=export.mode,
            address=export.address,
            pid_file=pid_file,
        )
        with process_lock.for_a_new_one(pid_file) as lock:
            nbd.start(program, service, lock=lock)

    def _stop(self, export: Export) -> None:
        """End the process, if there is one, at once: all that it has answered for is in the file.

        Asked politely, nbdkit would wait for its clients to leave.
        """
        process_lock.kill(self._path(export.attachment_id, ".pid"))
        if export.address.path:
            remove(Path(export.address.path))

    def _address(self, attachment_id: UUID, kept: Export | None) -> nbd.Address:
        """Where the export is to be, with nobody there. Raises DriverFailure."""
        if kept or not self._host:
            address = kept.address if kept else nbd.Address(path=str(self._socket(attachment_id)))
            if address.path:
                _make_private(Path(address.path).parent)
            address.clear()
            return address
        # Ports of exports that are down for a while are theirs still.
        taken = {each.address.port for each in self.all()}
        for port in range(self._first_port, LAST_PORT + 1):
            address = nbd.Address(host=self._host, port=port)
            if port not in taken and address.is_free():
                return address
        raise DriverFailure(f"no port of {self._host} from {self._first_port} on is free", True)

    def _record(self, path: Path) -> Export | None:
        try:
            return msgspec.json.decode(path.read_bytes(), type=Export)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise DriverFailure(f"{path} is not what was written there: {error}", False) from error

    def _write(self, export: Export) -> None:
        path = self._path(export.attachment_id, ".json")
        remove(partial_of(path))
        with appearing(path) as file:
            os.write(file, msgspec.json.encode(export))

    def _path(self, attachment_id: UUID, suffix: str) -> Path:
        return self._directory / f"{attachment_id}{suffix}"

    def _socket(self, attachment_id: UUID) -> Path:
        return self._sockets / attachment_id.hex


def _make_private(directory: Path) -> None:
    """Make the directory; whoever may enter it may read and write every volume exported there.

    Raises DriverFailure if it is there and others may.
    """
    directory.mkdir(mode=0o700, exist_ok=True)
    found = directory.lstat()
    if (
        not stat.S_ISDIR(found.st_mode)
        or found.st_uid != os.getuid()
        or stat.S_IMODE(found.st_mode) & 0o077
    ):
        raise DriverFailure(f"{directory} must be a directory that only its owner may enter", False)
