"""verify and rebuild: output, exit codes, and that they only look."""

import json
import shutil

import pytest
from sqlalchemy import update

from adapters.event_store import tables
from projections.volumes import VOLUMES
from tests.services.audit.auditing import FIRST


def test_all_well_is_0(invoke, deployment):
    result = invoke("verify", *deployment.options)
    assert result.exit_code == 0
    assert "26 events up to position 26, " in result.output
    assert "✓ everything agrees with the log" in result.output
    assert all(len(line) <= 80 for line in result.output.splitlines())


def test_findings_are_1_and_named(invoke, deployment):
    deployment.file_of(FIRST).unlink()
    result = invoke("verify", *deployment.options, width=120)
    assert result.exit_code == 1
    assert "object.missing" in result.output
    assert str(FIRST) in result.output
    assert "✗ 1 finding" in result.output


def test_findings_for_programs(invoke, deployment):
    deployment.tamper(lambda c: c.execute(update(tables.usage_table).values(reserved=5)))
    result = invoke("verify", "--json", *deployment.options)
    assert result.exit_code == 1
    told = json.loads(result.stdout)
    assert told["exit_code"] == 1
    assert {finding["kind"] for finding in told["report"]["findings"]} == {"quota.usage"}


@pytest.mark.parametrize("how", ["no data", "bad settings", "no backend"])
def test_what_cannot_be_checked_is_2(invoke, deployment, tmp_path, how):
    options = {
        "no data": ["--data-dir", tmp_path / "none"],
        "bad settings": ["--port", "-7"],
        "no backend": deployment.options,
    }
    if how == "no backend":
        shutil.rmtree(deployment.settings.backend_path("files"))
    result = invoke("verify", *options[how])
    assert result.exit_code == 2
    assert not (tmp_path / "none").exists()


def test_a_memory_backend_is_not_checkable_from_here(invoke, deployment, tmp_path):
    config = tmp_path / "lapilli.toml"
    config.write_text("[backends.files]\ndriver = 'memory'")
    result = invoke("verify", "--json", "--config", config, *deployment.options)
    assert result.exit_code == 0
    notes = json.loads(result.stdout)["report"]["notes"]
    [note] = [note for note in notes if note["kind"] == "backend"]
    assert "not checkable from here" in note["detail"]


def test_a_rebuild_repairs_a_view(invoke, deployment):
    change = update(VOLUMES.table(1)).values(state="error")
    deployment.tamper_with_views(lambda c: c.execute(change))
    assert invoke("verify", *deployment.options).exit_code == 1
    result = invoke("rebuild", "volumes", *deployment.options)
    assert result.exit_code == 0, result.output
    assert "volumes is rebuilt, and was switched to at position 26" in result.output
    assert invoke("verify", *deployment.options).exit_code == 0
    assert invoke("rebuild", "--all", *deployment.options).exit_code == 0
    listed = invoke("rebuild", *deployment.options)
    assert "volume_types" in listed.output
    assert invoke("verify", *deployment.options).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["volume"], "there are: volumes"),
        (["volumes", "--all"], "either a read model or --all, not both"),
    ],
)
def test_a_rebuild_of_nothing_that_exists_is_refused(invoke, deployment, arguments, said):
    result = invoke("rebuild", *arguments, *deployment.options)
    assert result.exit_code == 2
    assert said in result.output
