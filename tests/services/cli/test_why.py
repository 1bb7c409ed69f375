"""why: what people and programs see."""

import json

from tests.services.audit.auditing import FIRST


def test_people_see_every_pool_and_what_came_of_it(invoke, deployment):
    shown = invoke("why", FIRST, *deployment.options, width=100)
    assert shown.exit_code == 0, shown.output
    assert "placement 1 of 1" in shown.output
    assert "asked: 2 GiB" in shown.output
    assert "host1@files#files" in shown.output
    assert "CapacityWeigher 2000" in shown.output
    assert "→ host1@files#files: made" in shown.output


def test_programs_get_one_document(invoke, deployment):
    shown = invoke("why", "renamed", "--json", *deployment.options)
    told = json.loads(shown.output)
    assert told["id"] == str(FIRST)
    [placement] = told["placements"]
    assert placement["decision"]["chosen"]["pool"] == placement["host"]
    assert placement["outcome"] == "made"


def test_who_does_not_exist_is_said_in_one_line(invoke, deployment):
    shown = invoke("why", "nobody", *deployment.options)
    assert shown.exit_code == 1 and "could not be found" in shown.stderr
