"""QoS specs and default types: what is answered."""

from typing import Any

import pytest

from tests.services.api.stage import OTHER, PROJECT
from tests.services.api.test_http import refused
from tests.services.api.test_types import PRIVATE, a_type, done

NOWHERE = "00000000-0000-4000-0000-00000000dead"


async def some_qos(stage, name="brisk", **fields: Any) -> dict[str, Any]:
    answer = await stage.ask("POST", "/qos-specs", {"qos_specs": {"name": name, **fields}})
    assert answer.status_code == 200, answer.text
    made: dict[str, Any] = answer.json()["qos_specs"]
    return made


async def test_qos_specs_live_from_create_to_delete(stage):
    made = await some_qos(stage, iops="500")
    path = f"/qos-specs/{made['id']}"
    assert made == {
        "id": made["id"], "name": "brisk", "consumer": "back-end", "specs": {"iops": "500"},
    }  # fmt: skip
    change = {"qos_specs": {"consumer": "both", "bytes": "9"}}
    assert (await stage.ask("PUT", path, change)).json() == change
    await done(stage, "PUT", f"{path}/delete_keys", {"keys": ["iops"]})
    shown = (await stage.ask("GET", path)).json()["qos_specs"]
    assert (shown["consumer"], shown["specs"]) == ("both", {"bytes": "9"})
    assert (await stage.ask("GET", "/qos-specs")).json() == {"qos_specs": [shown]}
    assert (await stage.ask("GET", "/qos-specs?name=calm")).json() == {"qos_specs": []}
    await done(stage, "DELETE", path)
    refused(await stage.ask("GET", path), 404)


@pytest.mark.parametrize(
    ("method", "path", "body", "code"),
    [
        ("POST", "", {"qos_specs": {"name": "brisk"}}, 409),
        ("POST", "", {"qos_specs": {"k": "v"}}, 400),
        ("POST", "", {"qos_specs": {"name": "n", "consumer": "nobody"}}, 400),
        ("POST", "", {"qos_specs": {"name": "n", "a b": "c"}}, 400),
        ("PUT", "/{id}", {"qos_specs": {}}, 400),
        ("PUT", "/{id}", {"qos_specs": {"name": "other"}}, 400),
        ("PUT", "/{id}", {"qos_specs": {"consumer": "nobody"}}, 400),
        ("PUT", "/{id}/delete_keys", {"keys": ["x"]}, 404),
        ("GET", "/{id}/associate", None, 400),
        ("GET", "/{id}/associate?vol_type_id=none", None, 404),
        ("GET", f"/{NOWHERE}/associate?vol_type_id=__DEFAULT__", None, 404),
        ("GET", f"/{NOWHERE}", None, 404),
        ("GET", "/no-id", None, 404),
        ("DELETE", f"/{NOWHERE}", None, 404),
    ],
)
async def test_what_cannot_be_done_with_qos_specs_is_refused(stage, method, path, body, code):
    made = await some_qos(stage)
    refused(await stage.ask(method, "/qos-specs" + path.format(id=made["id"]), body), code)


async def test_types_get_qos_specs_and_lose_them(stage):
    made, qos, other = await a_type(stage), await some_qos(stage), await some_qos(stage, "calm")
    path, query = f"/qos-specs/{qos['id']}", f"vol_type_id={made['id']}"
    for _ in range(2):
        await done(stage, "GET", f"{path}/associate?{query}")
    refused(await stage.ask("GET", f"/qos-specs/{other['id']}/associate?{query}"), 400)
    refused(await stage.ask("DELETE", path), 400)
    association = {"association_type": "volume_type", "name": "gold", "id": made["id"]}
    shown = (await stage.ask("GET", f"{path}/associations")).json()
    assert shown == {"qos_associations": [association]}
    type_ = (await stage.ask("GET", "/types/gold")).json()["volume_type"]
    assert type_["qos_specs_id"] == qos["id"]
    await done(stage, "GET", f"{path}/disassociate?{query}")
    await done(stage, "GET", f"{path}/associate?{query}")
    await done(stage, "GET", f"{path}/disassociate_all")
    assert (await stage.ask("GET", f"{path}/associations")).json() == {"qos_associations": []}
    await done(stage, "GET", f"{path}/associate?{query}")
    await done(stage, "DELETE", f"{path}?force=True")
    type_ = (await stage.ask("GET", "/types/gold")).json()["volume_type"]
    assert type_["qos_specs_id"] is None


# default types


async def test_a_project_has_a_default_of_its_own(stage):
    made = await a_type(stage)
    path = f"/default-types/{PROJECT}"
    refused(await stage.ask("GET", path), 404)
    default = {"project_id": PROJECT, "volume_type_id": made["id"]}
    for words in ("gold", made["id"]):
        answer = await stage.ask("PUT", path, {"default_type": {"volume_type": words}})
        assert (answer.status_code, answer.json()) == (200, {"default_type": default})
    assert (await stage.ask("GET", path)).json() == {"default_type": default}
    assert (await stage.ask("GET", "/default-types")).json() == {"default_types": [default]}
    assert (await stage.volume())["volume_type"] == "gold"
    assert (await stage.ask("GET", "/types/default")).json()["volume_type"]["name"] == "gold"
    assert (await stage.volume(project=OTHER))["volume_type"] == "__DEFAULT__"
    await done(stage, "DELETE", path, code=204)
    refused(await stage.ask("DELETE", path), 404)
    assert (await stage.volume())["volume_type"] == "__DEFAULT__"


async def test_a_projects_default_stays(stage):
    made = await a_type(stage)
    body = {"default_type": {"volume_type": "gold"}}
    await stage.ask("PUT", f"/default-types/{OTHER}", body)
    message = refused(await stage.ask("DELETE", f"/types/{made['id']}"), 400)
    assert OTHER in message
    refused(await stage.ask("PUT", f"/default-types/{OTHER}", {"default_type": {}}), 400)
    body = {"default_type": {"volume_type": "none"}}
    refused(await stage.ask("PUT", f"/default-types/{OTHER}", body), 404)


async def test_default_types_came_with_3_62(stage):
    refused(await stage.ask("GET", "/default-types", mv="3.61"), 404)
    assert (await stage.ask("GET", "/default-types", mv="3.62")).status_code == 200


async def test_a_project_of_a_private_default_needs_access_to_it(stage, member):
    await a_type(stage, **PRIVATE)
    body = {"default_type": {"volume_type": "gold"}}
    await stage.ask("PUT", f"/default-types/{PROJECT}", body)
    refused(await member.ask("POST", "/volumes", {"volume": {"size": 1}}), 404)
