"""Clients that create and delete volumes while things break, and remember what was promised."""

import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

from tests.support.deployment import Deployment


class Load:
    """Some clients at once, each creating and deleting as real ones do: trying again when refused.

    A create answered 202 is a promise that the volume exists until its deletion is asked for; a
    delete answered 202 is one that it will go. A request without an answer promises nothing, but
    may have been heard: what somebody tried to delete is `doomed`, and may be there or not.
    """

    def __init__(self, deployment: Deployment, *, clients: int = 6, seed: int = 1) -> None:
        self._deployment = deployment
        self._random = random.Random(seed)
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed * 1000 + n),), daemon=True)
            for n in range(clients)
        ]
        self.created: set[str] = set()
        self.deleting: set[str] = set()
        self.doomed: set[str] = set()
        self.refusals: dict[int, int] = {}
        self.unanswered = 0

    @property
    def accepted(self) -> int:
        """How many requests were answered 202 so far."""
        return len(self.created) + len(self.deleting)

    @property
    def refused(self) -> int:
        """How many requests were refused, or not answered at all."""
        return self.unanswered + sum(self.refusals.values())

    def start(self) -> None:
        """Begins to make requests."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ends after the requests that are under way."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self, chance: random.Random) -> None:
        while not self._stop.is_set():
            if chance.random() < 0.6:
                self._create(chance)
            else:
                self._delete(chance)

    def _create(self, chance: random.Random) -> None:
        body = {"volume": {"size": chance.randint(1, 3), "name": "load"}}
        status, answer = self._try("POST", "/volumes", body)
        if status == 202:
            with self._lock:
                self.created.add(answer["volume"]["id"])

    def _delete(self, chance: random.Random) -> None:
        with self._lock:
            candidates = sorted(self.created - self.deleting)
            if not candidates:
                return
            id = chance.choice(candidates)
            self.doomed.add(id)
        status, _ = self._try("DELETE", f"/volumes/{id}")
        if status == 202:
            with self._lock:
                self.deleting.add(id)

    def _try(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        try:
            status, answer = self._deployment.request(method, path, body, timeout_s=20)
        except (OSError, HTTPException, ValueError):  # refused, reset, cut off in the middle
            with self._lock:
                self.unanswered += 1
            self._stop.wait(0.05)
            return 0, None
        if status >= 400:
            with self._lock:
                self.refusals[status] = self.refusals.get(status, 0) + 1
        return status, answer


@contextmanager
def under_load(deployment: Deployment, **options: Any) -> Iterator[Load]:
    """Load for the length of the block."""
    load = Load(deployment, **options)
    load.start()
    try:
        yield load
    finally:
        load.stop()
