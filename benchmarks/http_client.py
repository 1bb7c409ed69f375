"""A lean HTTP/1.1 client: on two cores, what the client burns the server lacks."""

import asyncio
import json
import time
from typing import Any


class Client:
    """One keep-alive connection."""

    def __init__(self, host: str, port: int) -> None:
        self._host, self._port = host, port
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def request(self, method: str, path: str, body: Any = None) -> tuple[int, bytes, float]:
        """Status, body, and the seconds from request to last byte."""
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        assert self._reader is not None
        payload = b"" if body is None else json.dumps(body).encode()
        started = time.perf_counter()
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: {self._host}\r\n"
            f"OpenStack-API-Version: volume 3.71\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(payload)}\r\n\r\n".encode()
            + payload
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        status = int(head[9:12])
        length = 0
        for line in head.split(b"\r\n"):
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        answer = await self._reader.readexactly(length)
        return status, answer, time.perf_counter() - started

    def close(self) -> None:
        """Lets the connection go."""
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None
