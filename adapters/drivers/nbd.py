"""Programs that serve one file over NBD: finding, starting and asking them. They outlive us."""

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import msgspec

from adapters.drivers.contract import AttachMode, DriverFailure, Scalar

GREETING = b"NBDMAGICIHAVEOPT"
"""What a server says first, by the NBD protocol's "fixed newstyle" negotiation."""

START_S = 30.0
"""How long a program may take until it serves; a machine under load is slow."""

BACKLOG = 64

LARGEST_SOCKET_PATH = 107
"""Bytes that the path of a Unix socket may have, unix(7)."""

# A program that is given its socket (as systemd does: LISTEN_FDS and LISTEN_PID, from descriptor 3
# on) need not be waited for before clients may connect, and cannot lose its port in between. Only
# the new process knows its own number, hence the shell. It comes with the socket as standard input
# and the lock file as standard output, writes its number into that, and keeps it open.
_AS_ITSELF = """\
echo $$
exec 3<&0 4>&1 </dev/null >/dev/null
LISTEN_FDS=1 LISTEN_PID=$$ exec "$@"
"""


class Program(msgspec.Struct, frozen=True):
    """One that can serve. `shows_growth`: who connects after the file grew sees its new size."""

    name: str
    command: Callable[[Path, str, AttachMode], Sequence[str]]
    shows_growth: bool


def _nbdkit(file: Path, export: str, mode: AttachMode) -> Sequence[str]:
    # Strict: a client that comes back to an address which is another's by now must not get in.
    return [
        *("nbdkit", "--foreground", *(["--readonly"] if mode == "ro" else [])),
        *("--filter=exportname", "file", f"file={file}"),
        *(f"exportname={export}", "exportname-strict=true", "exportname-list=empty"),
    ]


def _qemu_nbd(file: Path, export: str, mode: AttachMode) -> Sequence[str]:
    # Without its own locks on the file: several attachments of one volume are none of its business.
    image = {
        "driver": "raw",
        "file.driver": "file",
        "file.locking": "off",
        "file.filename": str(file).replace(",", ",,"),
    }
    return [
        *("qemu-nbd", "--persistent", "--shared=0", f"--export-name={export}"),
        *(["--read-only"] if mode == "ro" else []),
        *("--image-opts", ",".join(f"{key}={value}" for key, value in image.items())),
    ]


PROGRAMS = (
    Program("nbdkit", _nbdkit, shows_growth=True),
    Program("qemu-nbd", _qemu_nbd, shows_growth=False),
)
"""The better one first."""

NO_PROGRAM = "there is no nbdkit (nor qemu-nbd) on this machine: install the package nbdkit"


def installed() -> Program | None:
    """The program to use, as of now: it may be installed while we run."""
    return next((program for program in PROGRAMS if shutil.which(program.name)), None)


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where an export is reached: the path of a Unix socket, or host and port."""

    path: str = ""
    host: str = ""
    port: int = 0

    def uri(self, export: str) -> str:
        """By the NBD URI specification."""
        if self.path:
            return f"nbd+unix:///{quote(export)}?socket={quote(self.path)}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"nbd://{host}:{self.port}/{quote(export)}"

    def parts(self) -> dict[str, Scalar]:
        """As clients are told."""
        return {"socket": self.path} if self.path else {"host": self.host, "port": self.port}

    def listen(self) -> socket.socket:
        """A socket that listens here; who did so on this path is gone. Raises OSError."""
        if self.path:
            Path(self.path).unlink(missing_ok=True)
        listener = socket.socket(self._family)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(self._bound)
            if self.path:
                Path(self.path).chmod(0o600)
            listener.listen(BACKLOG)
        except BaseException:
            listener.close()
            raise
        return listener

    def greets(self, timeout_s: float = START_S) -> bool:
        """Whether an NBD server answers here. One that is only starting is waited for."""
        said = b""
        with suppress(OSError), socket.socket(self._family) as client:
            client.settimeout(timeout_s)
            client.connect(self._bound)
            while len(said) < len(GREETING) and (more := client.recv(len(GREETING) - len(said))):
                said += more
        return said == GREETING

    @property
    def _family(self) -> socket.AddressFamily:
        if self.path:
            return socket.AF_UNIX
        return socket.AF_INET6 if ":" in self.host else socket.AF_INET

    @property
    def _bound(self) -> str | tuple[str, int]:
        return self.path or (self.host, self.port)


def socket_directory(preferred: Path) -> Path:
    """Where paths of sockets are short enough; beside temporary files if the preferred is not."""
    longest = len(os.fsencode(preferred)) + len("/") + len(UUID(int=0).hex)
    if longest <= LARGEST_SOCKET_PATH:
        return preferred
    digest = hashlib.sha256(os.fsencode(preferred)).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"lapilli-{os.getuid()}-{digest}"


def start(
    command: Sequence[str], *, listener: socket.socket, lock: int, address: Address
) -> subprocess.Popen[bytes]:
    """Run the program until it serves at `address`, to which `listener` is bound; closes that.

    The process keeps `lock`, a descriptor to which its number is written, open for as long as it
    lives. Raises DriverFailure with what the program said.
    """
    with listener:
        process = subprocess.Popen(
            ["/bin/sh", "-c", _AS_ITSELF, "sh", *command],
            stdin=listener.fileno(),
            stdout=lock,
            stderr=subprocess.PIPE,
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C is for us, who end it last
        )
    assert process.stderr
    with process.stderr:  # afterwards nobody listens, and both programs bear that
        if address.greets():
            return process
        process.kill()
        said = process.stderr.read().decode(errors="replace").strip()
        process.wait()
    raise DriverFailure(f"{command[0]} does not serve: {said or 'it said nothing'}", True)
