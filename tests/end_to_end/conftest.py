"""One running `lapilli serve` for the tests that only talk to it, and clients of it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openstack
import pytest
from cinderclient import client as cinder_client
from keystoneauth1 import noauth, session

from tests.support.deployment import PROJECT, Serve, running


@pytest.fixture(scope="session")
def lapilli(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """As `make serve` starts it, with room for everybody's volumes."""
    directory: Path = tmp_path_factory.mktemp("serve")
    quota = {"LAPILLI_QUOTA_VOLUMES": "200"}
    with running(Serve(directory, env=quota)) as deployment:
        yield deployment


@pytest.fixture(scope="session")
def sdk(lapilli: Serve) -> Any:
    """openstacksdk's block storage proxy."""
    endpoint = f"{lapilli.url}/v3/{PROJECT}"
    connection = openstack.connect(
        auth_type="none",
        auth={"endpoint": endpoint},
        block_storage_endpoint_override=endpoint,
        load_yaml_config=False,
        load_envvars=False,
    )
    return connection.block_storage


@pytest.fixture(scope="session")
def cinder(lapilli: Serve) -> Any:
    """python-cinderclient at the newest version it shares with us."""
    endpoint = f"{lapilli.url}/v3/{PROJECT}"
    return cinder_client.Client(
        "3.70", session=session.Session(auth=noauth.NoAuth(endpoint=endpoint))
    )
