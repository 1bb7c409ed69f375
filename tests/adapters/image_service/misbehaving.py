"""A server that speaks Glance's protocol about one image, and keeps it badly."""

import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import msgspec

from tests.adapters.image_service.contract import OURS
from tests.support.patience import PATIENCE_S

ID = "6a0a3c44-5bd1-4d3c-9d7e-0d0d3a2f6d1e"


class Behaviour(msgspec.Struct):
    """What it does wrong. `breaks_after` are the bytes that each answer gives before it breaks off.

    `silent_in` says where it stops answering: show, file, or the middle of the file.
    """

    content: bytes
    breaks_after: list[int] = []
    ignores_ranges: bool = False
    says: dict[str, Any] = {}
    status: int = 200
    silent_in: str = ""
    trickles: bool = False
    ranges: list[int] = []
    """From where on it was asked for the file, so far."""

    def __str__(self) -> str:
        return ",".join(
            f"{name}={getattr(self, name)}"
            for name in self.__struct_fields__
            if name not in ("content", "ranges") and getattr(self, name)
        )

    @property
    def description(self) -> dict[str, Any]:
        return {
            "id": ID,
            "name": "cirros",
            "owner": OURS,
            "status": "active",
            "visibility": "private",
            "disk_format": "raw",
            "container_format": "bare",
            "min_disk": 0,
            "min_ram": 0,
            "protected": False,
            "size": len(self.content),
            "virtual_size": None,
            "checksum": hashlib.md5(self.content).hexdigest(),
            "os_hash_algo": "sha512",
            "os_hash_value": hashlib.sha512(self.content).hexdigest(),
            "updated_at": "2026-01-02T03:04:05Z",
            **self.says,
        }


@contextmanager
def serving(behaviour: Behaviour) -> Iterator[str]:
    """Its URL."""
    over = threading.Event()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            if self.path.endswith("/file"):
                self._file()
            else:
                self._silent("show")
                self._json(behaviour.description)

        def do_PUT(self) -> None:
            while length := int(self.rfile.readline(), 16):
                self.rfile.read(length + 2)
            self.rfile.readline()
            self.send_response(204)
            self.end_headers()

        def _json(self, body: object) -> None:
            encoded = json.dumps(body).encode()
            self.send_response(behaviour.status)
            self.send_header("Content-Length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def _file(self) -> None:
            asked = self.headers.get("Range")
            start = 0 if asked is None else int(asked.removeprefix("bytes=").removesuffix("-"))
            behaviour.ranges.append(start)
            self._silent("file")
            partial = asked and not behaviour.ignores_ranges
            rest = behaviour.content[start if partial else 0 :]
            self.send_response(206 if partial else 200)
            self.send_header("Content-Length", str(len(rest)))
            self.end_headers()
            if behaviour.breaks_after:
                rest = rest[: behaviour.breaks_after.pop(0)]
                self.close_connection = True
            with suppress(OSError):  # who has seen enough goes away
                self._send(rest)

        def _send(self, rest: bytes) -> None:
            if behaviour.silent_in == "middle":
                left = len(rest) - len(behaviour.content) // 2
                self.wfile.write(rest[: max(0, left)])
                self._silent("middle")
            elif behaviour.trickles:
                for at in range(len(rest)):
                    self.wfile.write(rest[at : at + 1])
                    if over.wait(0.01):
                        return
            else:
                self.wfile.write(rest)

        def _silent(self, where: str) -> None:
            if behaviour.silent_in == where:
                over.wait(PATIENCE_S)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        over.set()
        server.shutdown()
        thread.join()
        server.server_close()
