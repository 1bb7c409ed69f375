"""Quota classes, and what users are told when they are over quota."""

import pytest

from services.api.quota_classes import LONGEST
from tests.services.api.stage import LIMITS, OTHER, PROJECT
from tests.services.api.test_bad_bodies import check_refused
from tests.services.api.test_http import refused
from tests.services.api.test_types import a_type

TYPED = {f"{name}___DEFAULT__": -1 for name in ("volumes", "snapshots", "gigabytes")}
DEFAULT = "/os-quota-class-sets/default"


async def set_class(stage, name="default", **limits):
    body = {"quota_class_set": limits}
    answer = await stage.ask("PUT", f"/os-quota-class-sets/{name}", body)
    assert answer.status_code == 200, answer.text
    return answer.json()["quota_class_set"]


async def limits_of(stage, project=PROJECT, *, more=""):
    answer = await stage.ask("GET", f"/os-quota-sets/{project}{more}")
    assert answer.status_code == 200, answer.text
    return answer.json()["quota_set"]


async def test_a_class_begins_with_the_configured_limits(stage):
    shown = (await stage.ask("GET", DEFAULT)).json()
    assert shown == {"quota_class_set": {"id": "default", **LIMITS, **TYPED}}


async def test_the_default_class_is_what_projects_without_own_limits_follow(stage):
    answer = await set_class(stage, volumes=3, gigabytes___DEFAULT__=7)
    assert answer == {**LIMITS, **TYPED, "volumes": 3, "gigabytes___DEFAULT__": 7}
    for shown in (
        await limits_of(stage),
        await limits_of(stage, OTHER),
        await limits_of(stage, more="/defaults"),
    ):
        assert (shown["volumes"], shown["gigabytes___DEFAULT__"]) == (3, 7)
    absolute = (await stage.ask("GET", "/limits")).json()["limits"]["absolute"]
    assert absolute["maxTotalVolumes"] == 3


async def test_the_first_hit_wins_own_then_default_class_then_settings(stage):
    await set_class(stage, volumes=3, gigabytes=30)
    await stage.ask("PUT", f"/os-quota-sets/{PROJECT}", {"quota_set": {"volumes": 5}})
    shown = await limits_of(stage)
    assert (shown["volumes"], shown["gigabytes"], shown["snapshots"]) == (5, 30, 10)
    await stage.ask("DELETE", f"/os-quota-sets/{PROJECT}")
    assert (await limits_of(stage))["volumes"] == 3


async def test_a_change_of_the_default_class_binds_from_the_next_request_on(stage):
    await stage.volume()
    await stage.volume()
    await set_class(stage, volumes=1)  # below what is there already, which stays
    refused(await stage.ask("POST", "/volumes", {"volume": {"size": 1}}), 413)
    await set_class(stage, volumes=3)
    await stage.volume()
    refused(await stage.ask("POST", "/volumes", {"volume": {"size": 1}}), 413)


async def test_other_classes_are_kept_and_limit_nobody(stage):
    await set_class(stage, "gold plated", volumes=0)
    shown = (await stage.ask("GET", "/os-quota-class-sets/gold plated")).json()
    assert shown["quota_class_set"]["id"] == "gold plated"
    assert shown["quota_class_set"]["volumes"] == 0
    assert (await limits_of(stage))["volumes"] == 10
    await stage.volume()


async def test_another_class_begins_with_what_the_default_class_says(stage):
    await set_class(stage, volumes=3)
    shown = (await stage.ask("GET", "/os-quota-class-sets/gold")).json()["quota_class_set"]
    assert shown["volumes"] == 3


async def test_a_project_of_the_name_of_a_class_is_something_else(stage):
    await set_class(stage, volumes=3)
    await stage.ask("PUT", "/os-quota-sets/default", {"quota_set": {"volumes": 7}})
    assert (await limits_of(stage))["volumes"] == 3
    path = "/os-quota-sets/class%2Fdefault"
    refused(await stage.ask("PUT", path, {"quota_set": {"volumes": 9}}), 404)


async def test_what_cinderclient_sends_beside_the_limits_is_no_limit(stage):
    assert (await set_class(stage, class_name="default", volumes=3))["volumes"] == 3


async def test_a_renamed_type_renames_its_resources_in_classes_and_projects(stage):
    made = await a_type(stage)
    await set_class(stage, volumes_gold=4)
    await stage.ask("PUT", f"/os-quota-sets/{PROJECT}", {"quota_set": {"gigabytes_gold": 8}})
    await stage.ask("PUT", f"/types/{made['id']}", {"volume_type": {"name": "amber"}})
    shown = await limits_of(stage)
    assert (shown["volumes_amber"], shown["gigabytes_amber"]) == (4, 8)
    assert not [name for name in shown if name.endswith("_gold")]
    of_class = (await stage.ask("GET", DEFAULT)).json()["quota_class_set"]
    assert of_class["volumes_amber"] == 4


@pytest.mark.parametrize(
    "limits",
    [
        {},
        {"volumes": -2},
        {"volumes": 2**31},
        {"volumes": "many"},
        {"volumes": None},
        {"shoes": 1},
        {"volumes_nothing": 1},
        {"id": "default"},
        [],
        None,
    ],
)
async def test_limits_of_a_class_that_break_a_rule_are_400(stage, limits):
    await check_refused(stage, 400, "PUT", DEFAULT, {"quota_class_set": limits})


async def test_a_body_about_something_else_is_400(stage):
    await check_refused(stage, 400, "PUT", DEFAULT, {"quota_set": {"volumes": 1}})


@pytest.mark.parametrize(("name", "code"), [("%00", 400), ("x" * (LONGEST + 1), 400)])
async def test_what_cannot_be_a_class_is_400(stage, name, code):
    path = f"/os-quota-class-sets/{name}"
    await check_refused(stage, code, "GET", path)
    await check_refused(stage, code, "PUT", path, {"quota_class_set": {"volumes": 1}})


async def test_a_class_of_the_longest_name_can_be_kept(stage):
    assert (await set_class(stage, "x" * LONGEST, volumes=1))["volumes"] == 1


async def test_classes_are_for_administrators(stage, member):
    refused(await member.ask("GET", DEFAULT), 403)
    refused(await member.ask("PUT", DEFAULT, {"quota_class_set": {"volumes": 1}}), 403)


# refusals, in the words of users

OVER = [
    # own limits, size asked for, what is told
    (
        {"per_volume_gigabytes": 4},
        5,
        "Requested volume size 5G is larger than the allowed 4G (per_volume_gigabytes).",
    ),
    (
        {"gigabytes": 6},
        5,
        "Requested volume or snapshot exceeds the gigabytes quota:"
        " 5G requested, 6G allowed, 2G consumed.",
    ),
    (
        {"gigabytes_gold": 6},
        5,
        "Requested volume or snapshot exceeds the gigabytes_gold quota:"
        " 5G requested, 6G allowed, 2G consumed.",
    ),
    ({"volumes": 1}, 5, "Maximum number of volumes allowed (1) exceeded for quota 'volumes'."),
    (
        {"volumes_gold": 1},
        5,
        "Maximum number of volumes allowed (1) exceeded for quota 'volumes_gold'.",
    ),
]


@pytest.mark.parametrize(("limits", "size", "told"), OVER)
async def test_who_is_over_quota_is_told_which_by_how_much_and_to_try_again(
    stage, limits, size, told
):
    await a_type(stage)
    await stage.volume(size=2, volume_type="gold")
    body = {"quota_set": limits}
    assert (await stage.ask("PUT", f"/os-quota-sets/{PROJECT}", body)).status_code == 200
    wanted = {"volume": {"size": size, "volume_type": "gold"}}
    answer = await stage.ask("POST", "/volumes", wanted)
    assert refused(answer, 413) == told
    assert answer.headers["retry-after"] == "0"
    assert (await limits_of(stage, more="?usage=True"))["volumes"]["reserved"] == 1


async def test_a_limit_of_a_type_below_what_is_used_is_refused_under_the_types_name(stage):
    await a_type(stage)
    await stage.volume(size=5, volume_type="gold")
    body = {"quota_set": {"gigabytes_gold": 4}}
    message = await check_refused(stage, 400, "PUT", f"/os-quota-sets/{PROJECT}", body)
    assert message == "Quota gigabytes_gold cannot be limited to 4: 5 are consumed already."
