"""Castellan's way to Barbican: pages of secrets in any case, the whole contract on a real one.

The contract runs where TEST_BARBICAN_URL names a Barbican that asks for no authentication (its
pipeline `barbican_api`). Barbican is no dependency of ours; docs/development.md tells how to run
one.
"""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID, uuid4

import pytest
from castellan.key_manager.barbican_key_manager import BarbicanKeyManager
from keystoneauth1 import noauth
from oslo_config import cfg
from oslo_context.context import RequestContext

from adapters.key_manager.castellan import PAGE, PREFIX, CastellanKeyManager
from adapters.key_manager.port import KeyManager, KeyRefused
from domain.errors import Unavailable
from tests.adapters.key_manager.contract import ONE, KeyManagerContract

REAL = os.environ.get("TEST_BARBICAN_URL", "")


class _Headers(noauth.NoAuth):
    """Who asks, for a Barbican that believes it."""

    def __init__(self, endpoint: str, project_id: str) -> None:
        super().__init__(endpoint=endpoint)
        self._project_id = project_id

    def get_headers(self, session: Any, **_: Any) -> dict[str, str]:
        return {"X-Project-Id": self._project_id, "X-Roles": "admin", "X-User-Id": "lapilli"}


def barbican(url: str) -> CastellanKeyManager:
    """An adapter to the Barbican there, in a project that has no keys yet."""
    settings = cfg.ConfigOpts()
    settings([], default_config_files=[])
    manager = BarbicanKeyManager(settings)
    settings.set_override("barbican_endpoint", url, "barbican")
    settings.set_override("retry_delay", 0, "barbican")
    plugin = _Headers(url, uuid4().hex)

    class Context(RequestContext):
        def get_auth_plugin(self) -> _Headers:
            return plugin

    return CastellanKeyManager(manager, credentials=Context)


@pytest.mark.skipif(not REAL, reason="TEST_BARBICAN_URL names no Barbican")
class TestRealBarbican(KeyManagerContract):
    @pytest.fixture
    def keys(self) -> KeyManager:
        return barbican(REAL)


@contextmanager
def answering(secrets: list[dict[str, str]], *, status: int = 200) -> Iterator[str]:
    """The URL of something that lists secrets as Barbican does: by name, and page by page."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = parse_qs(urlsplit(self.path).query)
            name, offset = asked.get("name"), int(asked.get("offset", ["0"])[0])
            limit = min(int(asked.get("limit", ["10"])[0]), 100)  # Barbican's max_limit_paging
            found = [each for each in secrets if name is None or each["name"] == name[0]]
            page = found[offset : offset + limit]
            version = {"id": "v1", "status": "stable", "links": []}
            is_root = urlsplit(self.path).path == "/"
            body: dict[str, Any] = {"versions": [version]} if is_root else {"secrets": page}
            if not is_root and status != 200:
                body = {"code": status, "title": "No", "description": "not today"}
            self.send_response(300 if is_root else status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def secret(number: int, name: str) -> dict[str, str]:
    return {"secret_ref": f"http://barbican/v1/secrets/{UUID(int=number)}", "name": name}


async def test_all_pages_are_read():
    names = {str(UUID(int=n)): str(UUID(int=1000 + n)) for n in range(2 * PAGE + 5)}
    listed = [secret(UUID(id).int, f"{PREFIX}{name}") for id, name in names.items()]
    with answering([*listed, secret(5000, "somebody's")]) as url:
        assert await barbican(url).keys() == names


async def test_a_name_is_asked_for_and_not_searched_for():
    twins = [secret(n, f"{PREFIX}{ONE}") for n in (3, 1)]
    with answering([*(secret(n, f"{PREFIX}{n}") for n in range(10, 400)), *twins]) as url:
        found = await barbican(url).named(ONE)
    assert found == [str(UUID(int=n)) for n in (1, 3)]


@pytest.mark.parametrize(
    ("status", "error"), [(400, KeyRefused), (403, KeyRefused), (500, Unavailable)]
)
async def test_errors_that_are_not_our_fault_are_outages(status: int, error: type[Exception]):
    with answering([], status=status) as url:
        keys = barbican(url)
        with pytest.raises(error):
            await keys.named(ONE)


async def test_a_barbican_that_is_not_there_is_an_outage():
    with answering([]) as url:
        keys = barbican(url)
    with pytest.raises(Unavailable):
        await keys.keys()
