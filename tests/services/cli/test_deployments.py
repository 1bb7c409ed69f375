"""The same commands on PostgreSQL, and beside a service that works on."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services.audit.auditing import FIRST
from tests.services.audit.deployment import Deployment


@pytest.mark.postgres
def test_every_command_works_on_postgresql(invoke, tmp_path: Path, postgres_url):
    deployment = Deployment(tmp_path / "data", database_url=postgres_url)

    async def fill() -> None:
        await deployment.open()
        await deployment.history()
        await deployment.close()

    asyncio.run(fill())
    asked = {
        "events": "volume.provisioning_failed",
        f"history {str(FIRST)[:8]}": "available",
        f"state {FIRST} --at 2": "placed",
        "verify": "everything agrees with the log",
        "rebuild --all": "volume_types is rebuilt",
        "rebuild": "volume_types",
    }
    for command, said in asked.items():
        result = invoke(*command.split(), *deployment.options, width=120)
        assert (result.exit_code, said in result.output) == (0, True), result.output


def test_follow_shows_what_happens_next(deployment):
    command = [
        sys.executable,
        "-m",
        "services.cli",
        "events",
        "--follow",
        "--json",
        "--after",
        "24",
    ]
    with subprocess.Popen([*command, *deployment.options], stdout=subprocess.PIPE) as following:
        assert following.stdout is not None
        try:
            seen = [json.loads(following.stdout.readline())["position"] for _ in range(2)]

            async def rename() -> None:
                await deployment.open()
                await deployment.renamed(FIRST, "while you look")
                await deployment.close()

            asyncio.run(rename())
            new = json.loads(following.stdout.readline())
        finally:
            following.terminate()
    assert [*seen, new["position"]] == [25, 26, 27]
    assert new["data"]["name"] == "while you look"
