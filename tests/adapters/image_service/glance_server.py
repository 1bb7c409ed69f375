"""A real Glance with its file store, in an environment of its own: `make glance` makes that one.

It believes the headers that Keystone's middleware would set, so that its rules for projects, roles
and members hold as they would.
"""

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from keystoneauth1 import noauth
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session

from tests.support.patience import PATIENCE_S

ENVIRONMENT = Path(os.environ.get("TEST_GLANCE", "~/.cache/lapilli/glance")).expanduser()
PROGRAMS = [ENVIRONMENT / "bin" / name for name in ("glance-manage", "gunicorn")]

needs_glance = pytest.mark.skipif(
    not all(program.exists() for program in PROGRAMS),
    reason=f"there is no Glance in {ENVIRONMENT}: make glance",
)

PASTE = """\
[composite:glance-api]
paste.composite_factory = glance.api:root_app_factory
/: api
/healthcheck: healthcheck
[composite:api]
paste.composite_factory = glance.api:pipeline_factory
default = versionnegotiation context rootapp
[composite:rootapp]
paste.composite_factory = glance.api:root_app_factory
/: apiversions
/v2: apiv2app
[app:apiversions]
paste.app_factory = glance.api.versions:create_resource
[app:apiv2app]
paste.app_factory = glance.api.v2.router:API.factory
[app:healthcheck]
paste.app_factory = oslo_middleware:Healthcheck.app_factory
[filter:versionnegotiation]
paste.filter_factory = glance.api.middleware.version_negotiation:VersionNegotiationFilter.factory
[filter:context]
paste.filter_factory = glance.api.middleware.context:ContextMiddleware.factory
"""

CONFIGURATION = """\
[DEFAULT]
enabled_backends = files:file
enabled_import_methods = []
worker_self_reference_url = {url}
[database]
connection = sqlite:///{directory}/glance.db
[glance_store]
default_backend = files
[files]
filesystem_store_datadir = {directory}/store
[os_glance_staging_store]
filesystem_store_datadir = {directory}/staging
[os_glance_tasks_store]
filesystem_store_datadir = {directory}/staging
[paste_deploy]
config_file = {directory}/paste.ini
"""


class Headers(noauth.NoAuth):
    """Who asks, for a Glance that believes it."""

    def __init__(self, url: str, **said: str) -> None:
        super().__init__(endpoint=f"{url}/v2")
        self._said = {f"X-{name.replace('_', '-')}": value for name, value in said.items()}

    def get_headers(self, session: Any, **_: Any) -> dict[str, str]:
        return {"X-Identity-Status": "Confirmed", "X-User-Id": "lapilli", **self._said}


def adapter(url: str, *, project: str = "service", roles: str = "admin,service") -> Adapter:
    """To the Glance there, as somebody."""
    plugin = Headers(url, Project_Id=project, Roles=roles)
    return Adapter(Session(auth=plugin), service_type="image")


@contextmanager
def running(directory: Path) -> Iterator[str]:
    """The URL of a Glance without images."""
    for name in ("store", "staging"):
        (directory / name).mkdir()
    with socket.socket() as listening:
        # Handed down, so that the port cannot become another's
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        (directory / "paste.ini").write_text(PASTE)
        configuration = directory / "glance-api.conf"
        configuration.write_text(CONFIGURATION.format(directory=directory, url=url))
        manage, gunicorn = map(str, PROGRAMS)
        with (directory / "log").open("wb") as log:
            subprocess.run(
                [manage, "--config-file", str(configuration), "db_sync"],
                check=True,
                stdout=log,
                stderr=log,
                timeout=2 * PATIENCE_S,
            )
            process = subprocess.Popen(
                [
                    *(gunicorn, "-k", "gthread", "--threads", "4", "--no-control-socket"),
                    *("--bind", f"fd://{listening.fileno()}", "glance.wsgi.api:application"),
                ],
                env={**os.environ, "OS_GLANCE_CONFIG_DIR": str(directory)},
                stdout=log,
                stderr=log,
                pass_fds=[listening.fileno()],
            )
            try:
                # It listens already: the answer comes once it serves
                requests.get(f"{url}/healthcheck", timeout=2 * PATIENCE_S).raise_for_status()
                yield url
            except Exception as failure:
                failure.add_note((directory / "log").read_text()[-2000:])
                raise
            finally:
                process.terminate()
                process.wait(PATIENCE_S)
