"""events, history, state: what people and programs see."""

import json
from typing import Any

import pytest

from tests.services.audit.auditing import FIRST


def lines_of(result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def unpadded(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.splitlines())


FIRST_ON_80_COLUMNS = """\
volume 00000001-0000-0000-0000-000000000abc 'renamed', available
   # time                 after what                          by           why
2030-01-02 UTC
    req-3
   1 08:00:03.000               quota_reservation.reserved    ann
    → reserved  for 00000001, volumes 1 gigabytes 2
   2 08:00:03.000         +0 ms volume.requested              ann
    → requested  2 GiB, name first, volume_type_id 386e7be3
   3 08:00:04.000       +1.00 s volume.placed                 placement    ← 2
    → placed  host host1@files#files, availability_zone nova, 2 GiB, 1 of 1
    pools fit
   4 08:00:05.000       +1.00 s volume.provisioning_started   provisioning ← 3
    → provisioning  host host1@files#files, worker worker-1, attempt 1
   5 08:00:06.000       +1.00 s volume.provisioned            provisioning ← 3
    → available  host host1@files#files, attempt 1
   6 08:00:06.000         +0 ms quota_reservation.committed   provisioning ← 3
    → committed  for 00000001, volumes 1 gigabytes 2
    req-4
   7 08:00:07.000       +1.00 s volume.described              ann
    → available  name renamed"""


def test_history_on_a_narrow_terminal(invoke, deployment):
    result = invoke("history", str(FIRST)[:8], *deployment.options)
    assert result.exit_code == 0, result.output
    assert unpadded(result.output) == FIRST_ON_80_COLUMNS


def test_history_on_a_wide_terminal_has_a_line_for_each_event(invoke, deployment):
    result = invoke("history", FIRST, *deployment.options, width=160)
    assert "placement    ← 2   → placed  host host1@files#files" in result.output
    assert len(result.output.splitlines()) == 12


def test_history_for_programs(invoke, deployment):
    told = json.loads(invoke("history", FIRST, "--json", *deployment.options).output)
    assert (told["id"], told["state"]) == (str(FIRST), "available")
    placed = told["lines"][2]
    assert placed["follows"] == 2
    assert placed["after_s"] == 1.0
    assert placed["cause"] == f"{FIRST}:1"
    assert placed["data"]["host"] == "host1@files#files"


def test_events_shows_the_end_of_the_log_by_default(invoke, deployment):
    shown = lines_of(invoke("events", "--json", *deployment.options))
    assert len(shown) == 20
    assert [each["position"] for each in shown] == list(range(7, 27))


@pytest.mark.parametrize(
    ("options", "positions"),
    [
        (["--limit", "2"], [25, 26]),
        (["--type", "volume.placed"], [5, 13, 23]),
        (["--type", "volume.placed", "-n", "1"], [23]),
        (["--volume", "00000001"], [3, 4, 5, 6, 7, 8, 9]),
        (["--aggregate", "00000001"], [4, 5, 6, 7, 9]),
        (["--request", "req-4"], [9]),
        (["--project", "nobody"], []),
        (["--since", "2030-01-02T08:00:18"], [24, 25, 26]),
        (["--after", "0", "--limit", "3"], [1, 2, 3]),
        (["--after", "24"], [25, 26]),
        (["--after", "10", "--type", "*.refused"], []),
        (["--after", "9", "--type", "*.refused"], [10]),
    ],
)
def test_events_filters(invoke, deployment, options, positions):
    shown = lines_of(invoke("events", "--json", *options, *deployment.options))
    assert [each["position"] for each in shown] == positions


def test_events_for_people_fit_a_narrow_terminal(invoke, deployment):
    result = invoke("events", "--limit", "4", *deployment.options)
    assert all(len(line) <= 80 for line in result.output.splitlines())
    assert "volume.provisioning_failed" in result.output
    assert "reason 'the disk is full'" in result.output


def test_state_then_and_now(invoke, deployment):
    then = json.loads(invoke("state", FIRST, "--at", "2", "--json", *deployment.options).output)
    assert (then["state"], then["name"], then["last_event"]) == ("placed", "first", "volume.placed")
    time = "2030-01-02T08:00:06Z"
    then = json.loads(invoke("state", FIRST, "--at", time, "--json", *deployment.options).output)
    assert (then["state"], then["name"]) == ("available", "first")
    now = invoke("state", FIRST, *deployment.options)
    assert "renamed" in now.output
    assert "volume.described, 2030-01-02 08:00:07.000 UTC" in now.output


@pytest.mark.parametrize(
    ("command", "code", "said"),
    [
        (["history", "ffffffff"], 1, "Volume ffffffff could not be found."),
        (["history", "nobody"], 1, "Volume nobody could not be found."),
        (["history", "data"], 1, "'data' named 2 volumes"),
        (["state", FIRST, "--at", "99"], 1, "at version 99 could not be found"),
        (["state", FIRST, "--at", "soon"], 2, "'soon' is no time"),
        (["events", "--since", "soon"], 2, "'soon' is no time"),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_line(invoke, deployment, command, code, said):
    result = invoke(*command, *deployment.options)
    assert (result.exit_code, said in result.output) == (code, True), result.output


@pytest.mark.parametrize(
    "command", ["events", "history 00000001", "state 00000001", "rebuild", "rebuild --all"]
)
def test_where_there_is_no_data_none_is_made(invoke, tmp_path, command):
    result = invoke(*command.split(), "--data-dir", tmp_path / "none")
    assert result.exit_code == 1
    assert "there is no" in result.output
    assert not (tmp_path / "none").exists()
