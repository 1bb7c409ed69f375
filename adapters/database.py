"""SQL engines for SQLite and PostgreSQL, set up so that both keep the same promises."""

import fcntl
import os
import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError

from domain.errors import Unavailable

PART = "database"
"""What is unavailable, when it is."""

SQLITE_BUSY_S = 30
"""How long a SQLite writer waits for another process's transaction."""


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite database file."""
    return f"sqlite:///{path}"


LOST_AFTER_S = 10.0
"""How long the other end of a connection to PostgreSQL may be silent where it has to say something.
Less than any request waits."""


def engine(
    url: str, *, durable: bool = True, pool_size: int = 5, lost_after_s: float = LOST_AFTER_S
) -> Engine:
    """An engine whose transactions begin explicitly.

    SQLite runs in WAL mode with synchronous=FULL, so that what was committed survives the loss
    of power. `durable=False` (synchronous=NORMAL; on PostgreSQL synchronous_commit=off) is for
    what can be rebuilt: it survives every crash of a process of ours, and after a loss of power,
    or of the PostgreSQL server, is merely behind.

    After `lost_after_s` seconds of silence a PostgreSQL that cannot be reached is given up, and
    gives up a transaction in which nobody goes on. Such a one may hold the lock of the log: whoever
    stands still, or was cut off, in the middle of an append would else stop everybody for ever.
    """
    if url.startswith("sqlite"):
        return _sqlite(url, durable=durable, pool_size=pool_size)
    return create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        pool_pre_ping=True,  # a restart of the server costs nobody a request
        connect_args={
            "connect_timeout": 5,
            **_keepalive("keepalives_", lost_after_s),
            "tcp_user_timeout": _ms(lost_after_s),
            "options": " ".join(
                f"-c {name}={value}" for name, value in _session(durable, lost_after_s).items()
            ),
        },
    )


def _session(durable: bool, lost_after_s: float) -> Mapping[str, int | str]:
    """What the server is told of this session."""
    return {
        **({} if durable else {"synchronous_commit": "off"}),
        "idle_in_transaction_session_timeout": _ms(lost_after_s),
        **_keepalive("tcp_keepalives_", lost_after_s),
        "tcp_user_timeout": _ms(lost_after_s),
    }


def _keepalive(prefix: str, lost_after_s: float) -> Mapping[str, int]:
    """Half of the time in silence, the rest for three questions."""
    idle_s = max(1, int(lost_after_s / 2))
    interval_s = max(1, int(lost_after_s / 6))
    return {f"{prefix}idle": idle_s, f"{prefix}interval": interval_s, f"{prefix}count": 3}


def _ms(seconds: float) -> int:
    return int(seconds * 1_000)


def for_writing(engine: Engine) -> Engine:
    """The same engine, whose transactions take SQLite's write lock when they begin.

    A transaction that reads first and writes later would otherwise fail with "database is locked"
    whenever another one wrote in between.
    """
    return engine.execution_options(sqlite_begin="BEGIN IMMEDIATE")


class Turn:
    """Whose turn it is to write to a database file, between processes; nothing on PostgreSQL.

    SQLite has waiting writers look again after 1, 2, 5, … 100 ms, which wastes most of the time
    that two busy processes have; the kernel wakes the next one at once. One thread uses it.
    """

    def __init__(self, engine: Engine) -> None:
        self._path = engine.url.database if engine.dialect.name == "sqlite" else None
        self._file: int | None = None

    def __enter__(self) -> None:
        if self._path is None:
            return
        if self._file is None:
            flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
            self._file = os.open(f"{self._path}-turn", flags, 0o600)
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Lets go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def unavailable(error: DBAPIError) -> Unavailable:
    """The database's own words, as an error of ours."""
    return Unavailable(part=PART, reason=str(error.orig).strip().splitlines()[0])


def _sqlite(url: str, *, durable: bool, pool_size: int) -> Engine:
    made = create_engine(
        url,
        pool_size=pool_size,
        max_overflow=pool_size,
        connect_args={"timeout": SQLITE_BUSY_S, "check_same_thread": False},
    )

    @event.listens_for(made, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # the driver must not begin transactions of its own
        _use_wal(connection)
        connection.execute(f"PRAGMA synchronous={'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA cache_size=-8000")

    @event.listens_for(made, "begin")
    def begin(connection: Connection) -> None:
        how = connection.get_execution_options().get("sqlite_begin", "BEGIN")
        connection.exec_driver_sql(how)

    return made


def _use_wal(connection: sqlite3.Connection) -> None:
    """SQLite's own waiting does not cover the switch, which two first starts make at once."""
    deadline = time.monotonic() + SQLITE_BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as busy:
            if busy.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
