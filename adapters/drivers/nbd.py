"""Programs that serve one file over NBD: finding, starting and asking them. They outlive us."""

import errno
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
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

ENDING_S = 2.0
"""How long the port of a process that ended may still be held by what is left of it."""

POLL_S = 0.01

LARGEST_SOCKET_PATH = 107
"""Bytes that the path of a Unix socket may have, unix(7)."""


class Service(msgspec.Struct, frozen=True, kw_only=True):
    """What a program is to serve, where, and the file that gets its process number."""

    file: Path
    export: str
    mode: AttachMode
    address: "Address"
    pid_file: Path


class Program(msgspec.Struct, frozen=True):
    """One that can serve. It goes into the background once clients may connect.

    `shows_growth`: who connects after the file grew sees its new size.
    """

    name: str
    command: Callable[[Service], Sequence[str]]
    shows_growth: bool


def _nbdkit(service: Service) -> Sequence[str]:
    # In the foreground (and so with a socket handed to it) nbdkit would end with the thread that
    # started it. Strict: who comes back to a port that is another's by now must not get in.
    at = service.address
    return [
        *("nbdkit", "--pidfile", str(service.pid_file)),
        *(["--unix", at.path] if at.path else ["--ipaddr", at.host, "--port", str(at.port)]),
        *(["--readonly"] if service.mode == "ro" else []),
        *("--filter=exportname", "file", f"file={service.file}"),
        *(f"exportname={service.export}", "exportname-strict=true", "exportname-list=empty"),
    ]


def _qemu_nbd(service: Service) -> Sequence[str]:
    # Without its own locks on the file: several attachments of one volume are none of its business.
    image = {
        "driver": "raw",
        "file.driver": "file",
        "file.locking": "off",
        "file.filename": str(service.file).replace(",", ",,"),
    }
    at = service.address
    return [
        *("qemu-nbd", "--fork", "--persistent", "--shared=0", f"--pid-file={service.pid_file}"),
        *(["--socket", at.path] if at.path else ["--bind", at.host, "--port", str(at.port)]),
        *(["--read-only"] if service.mode == "ro" else []),
        *(f"--export-name={service.export}", "--image-opts"),
        ",".join(f"{key}={value}" for key, value in image.items()),
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

    def clear(self) -> None:
        """Remove the socket of whoever listened on this path. Raises OSError for a port in use.

        A port is asked for again for a moment: what listened there may be just about to end.
        """
        if self.path:
            Path(self.path).unlink(missing_ok=True)
            return
        deadline = time.monotonic() + ENDING_S
        while not self.is_free():
            if time.monotonic() > deadline:
                raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
            time.sleep(POLL_S)

    def is_free(self) -> bool:
        """Whether nobody listens on this port. Raises OSError if it cannot be listened on."""
        try:
            with socket.socket(self._family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(self._bound)
                probe.listen()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        return True

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


def start(program: Program, service: Service, *, lock: int) -> None:
    """Run the program in the background; return once it serves.

    It inherits `lock`, a descriptor, and keeps it open for as long as it lives. Raises
    DriverFailure with what the program said.
    """
    try:
        done = subprocess.run(
            program.command(service),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=(lock,),
            cwd="/",
            env={**os.environ, "LC_ALL": "C"},
            start_new_session=True,  # Ctrl-C is for us, who end it last
            timeout=START_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise DriverFailure(f"{program.name} did not start in {START_S:g} s", True) from None
    said = done.stderr.decode(errors="replace").strip()
    if done.returncode:
        raise DriverFailure(f"{program.name} does not start: {said or done.returncode}", True)
    if not service.address.greets():
        raise DriverFailure(f"{program.name} started, but does not serve", True)
