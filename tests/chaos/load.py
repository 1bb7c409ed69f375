"""Clients over HTTP that want everything at once, and try again as real ones do."""

import asyncio
import contextlib
import random
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import httpx

from tests.chaos.known import PROJECTS, Answer, Known
from tests.chaos.wishes import WISHES, Client

TRIES = 4
"""How often a client asks for what may be done twice without harm."""
PAUSE_S = 0.3
ANSWER_S = 30.0


class Load:
    """So many clients, in a thread of their own, each of which waits for what it asked for."""

    def __init__(
        self, urls: Sequence[str], *, clients: int, seed: int, images: Mapping[str, str]
    ) -> None:
        self.known = [Known(project_id=each) for each in PROJECTS]
        self.answers: list[Answer] = []
        self.unanswered: Counter[str] = Counter()
        self.failed: list[str] = []
        """Clients that came upon something they could not understand."""
        self._urls = urls
        self._clients = [
            Client(
                number=n,
                known=self.known[n % len(self.known)],
                chance=random.Random(f"{seed} client {n}"),
                images=images,
                ask=self._ask,
            )
            for n in range(clients)
        ]
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def start(self) -> None:
        """Begins to make requests."""
        self._thread.start()

    def stop(self) -> None:
        """Ends after the requests that are under way."""
        self._stopping.set()
        self._thread.join()

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        self._http = httpx.AsyncClient(timeout=ANSWER_S, limits=limits)
        async with self._http, asyncio.TaskGroup() as group:
            for client in self._clients:
                group.create_task(self._be(client))

    async def _be(self, client: Client) -> None:
        names, weights = list(WISHES), [wish.often for wish in WISHES.values()]
        while not self._stopping.is_set():
            [name] = client.chance.choices(names, weights)
            client.wish = name
            try:
                await WISHES[name].make(client)
            except (LookupError, TypeError) as odd:  # an answer that is not as it should be
                self.failed.append(f"client {client.number}, {name}: {odd!r}")
            await asyncio.sleep(client.chance.random() * PAUSE_S)

    async def _ask(self, client: Client, method: str, path: str, body: Any) -> Answer | None:
        """The answer; None if there is none, and nobody knows whether it was heard."""
        for attempt in range(TRIES if method != "POST" else 1):
            if attempt and not self._stopping.is_set():
                await asyncio.sleep(client.chance.uniform(0.1, 0.5) * 2**attempt)
            answer = await self._asked_once(client, method, path, body)
            if answer is not None and answer.status < 500:
                return answer
        return answer

    async def _asked_once(self, client: Client, method: str, path: str, body: Any) -> Answer | None:
        if self._stopping.is_set():
            return None
        url = client.chance.choice(self._urls)
        try:
            got = await self._http.request(
                method,
                f"{url}/v3/{client.known.project_id}{path}",
                json=body,
                headers={"OpenStack-API-Version": "volume 3.71"},
            )
        except httpx.HTTPError:
            self.unanswered[client.wish] += 1
            return None
        content = None
        with contextlib.suppress(ValueError):
            content = got.json()
        answer = Answer(
            what=client.wish,
            method=method,
            path=path,
            status=got.status_code,
            request_id=got.headers.get("x-compute-request-id", ""),
            body=content,
        )
        self.answers.append(answer)
        return answer
