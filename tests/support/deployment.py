"""Real deployments as processes, and `lapilli serve` among them."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psutil

from tests.support import forks
from tests.support.postgres import free_port, is_alive

LAPILLI = [sys.executable, "-m", "services.cli"]
PROJECT = "00000000000000000000000000000001"
START_S = 120.0


class NotReady(AssertionError):
    """It did not come to answer in time; the message has the end of its log."""


def until(holds: Callable[[], bool], *, within_s: float = START_S, what: str = "condition") -> None:
    """Waits for something that other processes bring about. Raises NotReady."""
    deadline = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > deadline:
            raise NotReady(f"{what} not within {within_s:g} s")
        time.sleep(0.02)


class Process(Protocol):
    """What of subprocess.Popen is used of what was launched."""

    @property
    def pid(self) -> int: ...
    def poll(self) -> int | None: ...
    def send_signal(self, number: int, /) -> None: ...
    def wait(self, timeout: float) -> int: ...


Launch = Callable[[Sequence[str], Mapping[str, str], Path], Process]
"""Starts `lapilli` with these arguments, this environment besides ours, and this log, in a session
of its own."""


def forked(args: Sequence[str], env: Mapping[str, str], log: Path) -> Process:
    """As tests do, quickly."""
    return forks.Fork("lapilli", *args, env=env, out=log, err=log)


def by_itself(
    args: Sequence[str], env: Mapping[str, str], log: Path, *, inside: Sequence[str] = ()
) -> Process:
    """As a shell does; `inside` is the beginning of a command that becomes the rest of it."""
    with log.open("ab") as stream:
        return subprocess.Popen(
            [*inside, *LAPILLI, *args],
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=stream,
            start_new_session=True,
        )


class Program:
    """One `lapilli` command, its process tree, and its log."""

    def __init__(
        self, *args: str, log: Path, env: Mapping[str, str], launch: Launch = forked
    ) -> None:
        self.args = args
        self.log = log
        self.env = dict(env)
        self.launch = launch
        self._process: Process | None = None

    def start(self) -> None:
        """Starts it."""
        self._process = self.launch(self.args, self.env, self.log)

    @property
    def pid(self) -> int:
        """Of the process that was started last."""
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended."""
        return self._process is not None and self._process.poll() is None

    @property
    def status(self) -> int | None:
        """With which it ended, if it has; negative: the signal that ended it."""
        assert self._process is not None
        return self._process.poll()

    def signal(self, number: int) -> None:
        """Sends a signal to it alone, if it has not ended."""
        if self._process is not None and self.running:
            self._process.send_signal(number)

    def stop(self, *, within_s: float = 30.0) -> int:
        """Asks it to stop, as Ctrl-C does; its exit status."""
        assert self._process is not None
        self.signal(signal.SIGINT)
        return self._process.wait(within_s)

    def kill(self) -> None:
        """kill -9 of it and everything below it, at once."""
        if self._process is None:
            return
        victims: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            root = psutil.Process(self._process.pid)
            victims = [root, *root.children(recursive=True)]
        for victim in victims:
            with contextlib.suppress(psutil.NoSuchProcess):
                victim.kill()
        self._process.wait(10)
        until(lambda: not any(map(is_alive, victims)), what="death of every process")

    def log_tail(self, lines: int = 30) -> str:
        """The end of what it wrote."""
        if not self.log.exists():
            return ""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])


class Deployment:
    """Something that answers Cinder's API at `url`."""

    def __init__(self, directory: Path, *, env: Mapping[str, str] = {}) -> None:
        self.directory = directory
        self.host, self.port = "127.0.0.1", free_port()
        self.env = {
            "LAPILLI_DATA_DIR": str(directory / "data"),
            "LAPILLI_API_PORT": str(self.port),
            "LAPILLI_HOST": "host1",
            "LAPILLI_LOGGING_FORMAT": "json",
            **env,
        }

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.host}:{self.port}"

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        headers: Mapping[str, str] = {},
        timeout_s: float = 30.0,
    ) -> tuple[int, Any]:
        """Status and body of one request below /v3/<project>. OSError if nobody answers."""
        request = urllib.request.Request(
            f"{self.url}{path}" if path.startswith("//") else f"{self.url}/v3/{PROJECT}{path}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Content-Type": "application/json",
                "OpenStack-API-Version": "volume 3.71",
                **headers,
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                status, raw = answer.status, answer.read()
        except urllib.error.HTTPError as refusal:
            status, raw = refusal.code, refusal.read()
        return status, json.loads(raw) if raw else None

    def volumes(self) -> list[dict[str, Any]]:
        """Every volume of the project."""
        found: list[dict[str, Any]] = []
        marker = ""
        while True:
            _, page = self.request("GET", f"/volumes/detail?limit=1000{marker}")
            found += page["volumes"]
            if len(page["volumes"]) < 1000:
                return found
            marker = f"&marker={found[-1]['id']}"

    def answers(self) -> bool:
        """Whether the API is there."""
        try:
            with urllib.request.urlopen(f"{self.url}/healthcheck", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def cli(self, *args: str, timeout_s: float = 300.0) -> subprocess.CompletedProcess[str]:
        """Runs a `lapilli` command against this deployment."""
        return forks.run("lapilli", *args, env=self.env, timeout_s=timeout_s)


class Serve(Deployment):
    """`lapilli serve` on a directory."""

    def __init__(
        self, directory: Path, *, env: Mapping[str, str] = {}, launch: Launch = forked
    ) -> None:
        super().__init__(directory, env=env)
        self.program = Program("serve", log=directory / "serve.log", env=self.env, launch=launch)

    def start(self) -> None:
        """Returns once it answers. Raises NotReady."""
        self.program.start()
        try:
            until(lambda: self.answers() or not self.program.running, what="first answer")
        except NotReady as late:
            raise NotReady(f"{late}\n{self.program.log_tail()}") from None
        if not self.program.running:
            raise NotReady(f"serve ended\n{self.program.log_tail()}")

    def stop(self) -> int:
        """As Ctrl-C; the exit status."""
        return self.program.stop()

    def kill(self) -> None:
        """kill -9 of the whole tree."""
        self.program.kill()


class Runs(Protocol):
    """What starts as a whole, and ends at once."""

    def start(self) -> None: ...
    def kill(self) -> None: ...


@contextmanager
def running(deployment: Runs) -> Iterator[Any]:
    """Started, and gone afterwards whatever happens."""
    deployment.start()
    try:
        yield deployment
    finally:
        deployment.kill()
