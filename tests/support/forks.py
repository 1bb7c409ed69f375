"""Python programs as processes that start at once.

Each is forked from a server that has loaded what they import, which would otherwise take most of
the time of the tests that start many. It is a process like any other from then on: with a session,
arguments, an environment and streams of its own.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from multiprocessing.process import BaseProcess
from pathlib import Path

PROGRAMS = {
    "lapilli": "services.cli:main",
    "openstack": "openstackclient.shell:main",
    "cinder": "cinderclient.shell:main",
}
"""Their entry points."""

_SERVER = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(
    [
        # not cinderclient.shell, which sets up logging, and nothing that imports services.metrics
        "services.cli",
        "services.serve",
        "services.composition",
        "services.commands",
        "services.api.policy",
        "services.notifications.telling",
        "services.notifications.telling",
        "starlette.requests",
        "starlette.responses",
        "projections.runner",
        "projections.views",
        "uvicorn",
        "uvloop",
        "psycopg",
        "sqlalchemy.dialects.postgresql.psycopg",
        "sqlalchemy.dialects.sqlite.pysqlite",
        "cinderclient.v3.client",
        "openstackclient.shell",
        "openstackclient.common.clientmanager",
        "openstackclient.volume.client",
        "openstackclient.volume.v3.volume",
        "openstack.connection",
        "openstack.block_storage.v3._proxy",
    ]
)


class Fork:
    """A process that runs a program, with what tests need of subprocess.Popen."""

    def __init__(
        self, program: str, *args: str, env: Mapping[str, str], out: Path, err: Path
    ) -> None:
        """Starts it; its streams go to the ends of these files."""
        self.args = [program, *args]
        environment = {**os.environ, **env}
        self._process: BaseProcess = _SERVER.Process(
            target=_be, args=(self.args, environment, str(out), str(err))
        )
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit status, once it has ended; negative: the signal that ended it."""
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Sends it a signal, unless it has ended."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def wait(self, timeout: float) -> int:
        """Its exit status. Raises subprocess.TimeoutExpired."""
        self._process.join(timeout)
        status = self.poll()
        if status is None:
            raise subprocess.TimeoutExpired(self.args, timeout)
        return status


def run(
    program: str, *args: str, env: Mapping[str, str] = {}, timeout_s: float = 180.0
) -> subprocess.CompletedProcess[str]:
    """What came of it. Raises subprocess.TimeoutExpired."""
    with tempfile.TemporaryDirectory(prefix="lapilli-run-") as directory:
        out, err = Path(directory, "out"), Path(directory, "err")
        fork = Fork(program, *args, env=env, out=out, err=err)
        try:
            status = fork.wait(timeout_s)
        finally:
            fork.send_signal(signal.SIGKILL)
        return subprocess.CompletedProcess(fork.args, status, out.read_text(), err.read_text())


def _be(words: Sequence[str], env: Mapping[str, str], out: str, err: str) -> None:
    # openstacksdk has loaded it; `lapilli serve` decides what it is to do before it is loaded
    for name in [name for name in sys.modules if name.startswith("prometheus_client")]:
        del sys.modules[name]
    os.setsid()
    os.environ.clear()
    os.environ.update(env)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    for number, path, how in ((0, os.devnull, os.O_RDONLY), (1, out, flags), (2, err, flags)):
        opened = os.open(path, how, 0o600)
        os.dup2(opened, number)
        os.close(opened)
    sys.argv = [*words]
    module, _, function = PROGRAMS[words[0]].partition(":")
    sys.exit(getattr(importlib.import_module(module), function)())
