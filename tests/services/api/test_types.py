"""Volume types, their extra specs, and who may use them: what is answered."""

import asyncio
from typing import Any

import pytest

from tests.services.api.stage import OTHER, PROJECT, staged
from tests.services.api.test_http import refused


async def a_type(stage, name="gold", **fields: Any) -> dict[str, Any]:
    answer = await stage.ask("POST", "/types", {"volume_type": {"name": name, **fields}})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["volume_type"]
    return made


async def done(stage, method: str, path: str, body: Any = None, *, code: int = 202) -> None:
    answer = await stage.ask(method, path, body)
    assert (answer.status_code, answer.content) == (code, b""), answer.text


# types


async def test_a_type_is_made_with_all_that_was_said(stage):
    made = await a_type(
        stage,
        description="fast",
        extra_specs={"k": "v"},
        **{"os-volume-type-access:is_public": False},
    )
    assert made == {
        "id": made["id"],
        "name": "gold",
        "description": "fast",
        "is_public": False,
        "os-volume-type-access:is_public": False,
        "extra_specs": {"k": "v"},
        "qos_specs_id": None,
    }
    for words in (made["id"], "gold"):
        assert (await stage.ask("GET", f"/types/{words}")).json() == {"volume_type": made}


BAD_TYPES = [
    {},
    {"name": ""},
    {"name": "  "},
    {"name": "x" * 256},
    {"name": "x", "size": 1},
    {"name": "x", "extra_specs": {"a b": "v"}},
    {"name": "x", "extra_specs": {"k": 1}},
    {"name": "x", "extra_specs": {"provisioning:min_vol_size": "much"}},
    {"name": "x", "os-volume-type-access:is_public": "perhaps"},
]


@pytest.mark.parametrize("fields", BAD_TYPES)
async def test_what_is_no_type_is_400(stage, fields):
    refused(await stage.ask("POST", "/types", {"volume_type": fields}), 400)


async def test_names_are_unique(stage):
    made = await a_type(stage)
    await a_type(stage, "silver")
    refused(await stage.ask("POST", "/types", {"volume_type": {"name": "gold"}}), 409)
    body = {"volume_type": {"name": "silver"}}
    refused(await stage.ask("PUT", f"/types/{made['id']}", body), 409)
    await done(stage, "DELETE", "/types/silver")
    assert (await stage.ask("PUT", f"/types/{made['id']}", body)).status_code == 200


async def test_of_many_that_ask_for_a_name_at_once_one_gets_it(stage):
    body = {"volume_type": {"name": "bronze"}}
    answers = await asyncio.gather(*(stage.ask("POST", "/types", body) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        ({"name": "golden"}, "name", "golden"),
        ({"description": ""}, "description", ""),
        ({"is_public": False}, "is_public", False),
        ({"os-volume-type-access:is_public": "no", "name": None}, "is_public", False),
    ],
)
async def test_a_type_is_changed(stage, change, field, value):
    made = await a_type(stage)
    answer = await stage.ask("PUT", f"/types/{made['id']}", {"volume_type": change})
    assert (answer.status_code, answer.json()["volume_type"][field]) == (200, value)


@pytest.mark.parametrize("change", [{}, {"name": None}, {"name": " "}, {"size": 1}])
async def test_a_change_of_nothing_is_400(stage, change):
    made = await a_type(stage)
    refused(await stage.ask("PUT", f"/types/{made['id']}", {"volume_type": change}), 400)


async def test_volumes_and_quotas_show_the_new_name_at_once(stage):
    made = await a_type(stage)
    volume = await stage.volume(volume_type="gold")
    await stage.ask("PUT", f"/types/{made['id']}", {"volume_type": {"name": "golden"}})
    shown = (await stage.ask("GET", f"/volumes/{volume['id']}")).json()["volume"]
    assert shown["volume_type"] == "golden"
    quota = (await stage.ask("GET", f"/os-quota-sets/{PROJECT}?usage=True")).json()["quota_set"]
    assert quota["volumes_golden"]["reserved"] == 1
    assert "volumes_gold" not in quota
    refused(
        await stage.ask("POST", "/volumes", {"volume": {"size": 1, "volume_type": "gold"}}), 404
    )


async def test_a_type_in_use_stays_as_it_is(stage):
    made = await a_type(stage)
    path = f"/types/{made['id']}"
    specs = {"extra_specs": {"k": "v"}}
    volume = await stage.available(volume_type="gold")
    refused(await stage.ask("DELETE", path), 400)
    refused(await stage.ask("POST", f"{path}/extra_specs", specs), 400)
    await stage.ask("DELETE", f"/volumes/{volume['id']}")
    refused(await stage.ask("DELETE", path), 400)
    await stage.finish_deletion(volume["id"])
    assert (await stage.ask("POST", f"{path}/extra_specs", specs)).json() == specs
    await done(stage, "DELETE", path)
    refused(await stage.ask("GET", path), 404)


async def test_the_default_stays(stage):
    refused(await stage.ask("DELETE", "/types/__DEFAULT__"), 400)
    body = {"volume_type": {"name": "x"}}
    refused(await stage.ask("PUT", "/types/__DEFAULT__", body), 400)


SIZES = {"provisioning:min_vol_size": "2", "provisioning:max_vol_size": "3"}


@pytest.mark.parametrize(("size", "code"), [(1, 400), (2, 202), (3, 202), (4, 400)])
async def test_a_type_bounds_the_size_of_its_volumes(stage, size, code):
    await a_type(stage, extra_specs=SIZES)
    body = {"volume": {"size": size, "volume_type": "gold"}}
    assert (await stage.ask("POST", "/volumes", body)).status_code == code


# extra specs


async def test_extra_specs_are_set_shown_and_unset(stage):
    path = f"/types/{(await a_type(stage))['id']}/extra_specs"
    await stage.ask("POST", path, {"extra_specs": {"a": "1", "b:c": "2"}})
    assert (await stage.ask("PUT", f"{path}/a", {"a": "3"})).json() == {"a": "3"}
    assert (await stage.ask("GET", f"{path}/a")).json() == {"a": "3"}
    await done(stage, "DELETE", f"{path}/a")
    assert (await stage.ask("GET", path)).json() == {"extra_specs": {"b:c": "2"}}
    for method in ("GET", "DELETE"):
        refused(await stage.ask(method, f"{path}/a"), 404)


@pytest.mark.parametrize("body", [{}, {"b": "1"}, {"a": "1", "b": "2"}, {"a": 1}, [], None])
async def test_one_extra_spec_is_put_under_its_own_key(stage, body):
    path = f"/types/{(await a_type(stage))['id']}/extra_specs/a"
    refused(await stage.ask("PUT", path, body), 400)


async def test_members_see_only_what_concerns_them(stage, member):
    specs = {"multiattach": "<is> False", "volume_backend_name": "x"}
    path = f"/types/{(await a_type(stage, extra_specs=specs))['id']}/extra_specs"
    shown = (await member.ask("GET", path)).json()
    assert shown == {"extra_specs": {"multiattach": "<is> False"}}
    refused(await member.ask("GET", f"{path}/volume_backend_name"), 404)
    refused(await member.ask("POST", path, {"extra_specs": {"a": "b"}}), 403)


@pytest.mark.parametrize(("mv", "found"), [("3.51", 2), ("3.52", 1)])
async def test_types_are_filtered_by_extra_specs_from_3_52(stage, mv, found):
    await a_type(stage, extra_specs={"multiattach": "<is> True"})
    answer = await stage.ask("GET", "/types?extra_specs={'multiattach':'<is> True'}", mv=mv)
    assert len(answer.json()["volume_types"]) == found


# private types

PRIVATE = {"os-volume-type-access:is_public": False}


async def test_a_private_type_is_for_those_who_were_given_access(stage, member):
    path = f"/types/{(await a_type(stage, **PRIVATE))['id']}"
    volume = {"volume": {"size": 1, "volume_type": "gold"}}

    async def seen() -> list[int]:
        listed = (await member.ask("GET", "/types")).json()["volume_types"]
        codes = [
            (await member.ask("GET", path)).status_code,
            (await member.ask("GET", f"{path}/extra_specs")).status_code,
            (await member.ask("POST", "/volumes", volume)).status_code,
        ]
        return [len(listed), *codes]

    assert await seen() == [1, 404, 404, 404]
    grant, revoke = (
        {action: {"project": PROJECT}} for action in ("addProjectAccess", "removeProjectAccess")
    )
    await done(stage, "POST", f"{path}/action", grant)
    refused(await stage.ask("POST", f"{path}/action", grant), 409)
    assert await seen() == [2, 200, 200, 202]
    shown = (await stage.ask("GET", f"{path}/os-volume-type-access")).json()
    access = {"volume_type_id": path.rpartition("/")[2], "project_id": PROJECT}
    assert shown == {"volume_type_access": [access]}
    refused(await member.ask("GET", f"{path}/os-volume-type-access"), 403)
    await done(stage, "POST", f"{path}/action", revoke)
    refused(await stage.ask("POST", f"{path}/action", revoke), 404)
    assert await seen() == [1, 404, 404, 404]


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", {"__DEFAULT__", "mine"}),
        ("?is_public=true", {"__DEFAULT__", "mine"}),
        ("?is_public=false", {"mine", "theirs"}),
        ("?is_public=none", {"__DEFAULT__", "mine", "theirs"}),
    ],
)
async def test_administrators_choose_which_types_they_list(stage, member, query, names):
    for name, project in (("mine", PROJECT), ("theirs", OTHER)):
        made = await a_type(stage, name, **PRIVATE)
        grant = {"addProjectAccess": {"project": project}}
        await done(stage, "POST", f"/types/{made['id']}/action", grant)
    listed = (await stage.ask("GET", f"/types{query}")).json()["volume_types"]
    assert {each["name"] for each in listed} == names
    listed = (await member.ask("GET", f"/types{query}")).json()["volume_types"]
    assert {each["name"] for each in listed} == {"__DEFAULT__", "mine"}


async def test_access_to_a_public_type_makes_no_sense(stage):
    path = f"/types/{(await a_type(stage))['id']}"
    grant = {"addProjectAccess": {"project": PROJECT}}
    refused(await stage.ask("POST", f"{path}/action", grant), 400)
    refused(await stage.ask("GET", f"{path}/os-volume-type-access"), 404)
    refused(await stage.ask("POST", f"{path}/action", {}), 400)


async def test_what_may_not_be_seen_is_404_before_it_is_403(stage, member):
    path = f"/types/{(await a_type(stage, **PRIVATE))['id']}"
    body = {"volume_type": {"name": "x"}}
    refused(await member.ask("PUT", path, body), 404)
    refused(await member.ask("DELETE", path), 404)
    refused(await member.ask("DELETE", "/types/__DEFAULT__"), 403)


async def test_another_api_process_learns_of_changes(stage, tmp_path):
    """What it remembers is only a hint: commands hold types to be as they are."""
    await a_type(stage, extra_specs={})
    async with staged(tmp_path, application=stage.application) as other:
        assert (await other.volume(volume_type="gold"))["volume_type"] == "gold"
        await a_type(stage, "silver")
        assert (await other.volume(volume_type="silver"))["volume_type"] == "silver"
        made = await a_type(stage, "bronze")
        await other.ask("GET", "/types")
        await done(stage, "DELETE", f"/types/{made['id']}")
        body = {"volume": {"size": 1, "volume_type": "bronze"}}
        refused(await other.ask("POST", "/volumes", body), 404)
