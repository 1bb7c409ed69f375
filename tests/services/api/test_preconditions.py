"""Every precondition that the specification has for what is built, and its refusal.

Rows are grouped by where the rule stands (lifecycles 2, 3, 6, 11; api.md 2, 3, 7, 8, 10, 12, 16).
A refusal has the code and says why, and changes nothing: that the caller was over quota is all
that is recorded.
"""

import pytest

from tests.services.api.refusals import accept, act, ask, create, delete, filled, offer
from tests.services.api.situations import NOWHERE, brought_about
from tests.services.api.stage import HOST, OTHER, PROJECT, staged
from tests.services.api.test_http import refused

ELSEWHERE = "host1@files#other"

CREATION = [  # lifecycles 3, api.md 2 and 16
    ask("POST", "/volumes", {"volume": {}}, 400, "size"),
    create("nothing", 400, "size", size=0),
    create("nothing", 400, "size", size="x"),
    create("nothing", 400, "size", size=1.5),
    create("nothing", 404, "nowhere could not be found", volume_type="nowhere"),
    create("types", 404, "private", volume_type="private", admin=False),
    create("types", 400, "2", volume_type="type", size=1),
    create("types", 400, "4", volume_type="type", size=5),
    create("types", 400, "nova", volume_type="type", size=2, availability_zone="attic"),
    create("types", 400, "zones", volume_type="lunar", size=2),
    create("nothing", 400, "moon", availability_zone="moon"),
    create("nothing", 404, NOWHERE, snapshot_id=NOWHERE),
    create("nothing", 404, NOWHERE, source_volid=NOWHERE),
    create("nothing", 404, NOWHERE, group_id=NOWHERE),
    create("nothing", 404, NOWHERE, backup_id=NOWHERE),
    create("another project's", 404, "could not be found", source_volid="{id}", admin=False),
    create("nothing", 400, "image", imageRef=NOWHERE),
    create("nothing", 400, "multiattach", multiattach=True),
    create("nothing", 400, "metadata", metadata={"": "v"}),
    create("nothing", 400, "metadata", metadata={"k" * 256: "v"}),
    create("nothing", 400, "metadata", metadata={"k": "v" * 256}),
    create("nothing", 400, "colour", colour="red"),
    create("no quota left", 413, "gigabytes"),
    create("nothing", 413, "gigabytes", size=1001),
    create("a ceiling", 413, "2", size=3),
]

DELETION = [  # lifecycles 6
    delete("nothing", 404, NOWHERE),
    delete("another project's", 404, "could not be found", admin=False),
    delete("provisioning", 400, "creating"),
    delete("deleting", 400, "deleting"),
    delete("error_deleting", 400, "error_deleting"),
    delete("extending", 400, "extending"),
    delete("awaiting-transfer", 400, "awaiting-transfer"),
    delete("frozen", 400, "frozen"),
    delete("frozen", 400, "frozen", "?force=true"),
    delete("available", 403, "force_delete", "?force=true", admin=False),
    act("available", "os-force_delete", None, 403, "force_delete", admin=False),
    act("frozen", "os-force_delete", None, 400, "frozen"),
    act("nothing", "os-force_delete", None, 404, NOWHERE),
]

EXTENSION = [  # lifecycles 6, api.md 16
    *[act(s, "os-extend", {"new_size": 3}, 400, s)
      for s in ("creating", "error", "deleting", "error_deleting", "extending",
                "awaiting-transfer")],
    act("provisioning", "os-extend", {"new_size": 3}, 400, "creating"),
    act("available", "os-extend", {"new_size": 2}, 400, "larger"),
    act("available", "os-extend", {"new_size": 1}, 400, "larger"),
    act("available", "os-extend", {"new_size": "3"}, 400, "new_size"),
    act("available", "os-extend", {}, 400, "new_size"),
    act("types", "os-extend", {"new_size": 5}, 400, "4"),
    act("a ceiling", "os-extend", {"new_size": 3}, 413, "2"),
    act("available", "os-extend", {"new_size": 1001}, 413, "gigabytes"),
    act("another project's", "os-extend", {"new_size": 3}, 404, "could not be found", admin=False),
]  # fmt: skip

WORDS = [  # lifecycles 6, api.md 2 and 3
    ask("PUT", "/volumes/{id}", {"volume": {}}, 400, "", given="available"),
    ask("PUT", "/volumes/{id}", {"volume": {"name": "n"}}, 404, NOWHERE),
    ask("PUT", "/volumes/{id}", {"volume": {"name": "n" * 256}}, 400, "name", given="available"),
    ask("PUT", "/volumes/{id}/metadata/a", {"meta": {"b": "v"}}, 400, "", given="available"),
    ask("GET", "/volumes/{id}/metadata/a", None, 404, "a", given="available"),
    ask("DELETE", "/volumes/{id}/metadata/a", None, 404, "a", given="available"),
    *[ask("PUT", path, body, 412, "", given="available", headers={"If-Match": "x"})
      for path, body in (("/volumes/{id}/metadata", {"metadata": {}}),
                         ("/volumes/{id}/metadata/k", {"meta": {"k": "w"}}))],
    *[act(s, "os-update_readonly_flag", {"readonly": True}, 400, s)
      for s in ("creating", "error", "deleting", "extending", "awaiting-transfer")],
    act("available", "os-update_readonly_flag", {"readonly": "maybe"}, 400, "readonly"),
    act("available", "os-set_bootable", {"bootable": "maybe"}, 400, "bootable"),
    act("available", "os-set_image_metadata", {"metadata": {"": "v"}}, 400, "metadata"),
    act("available", "os-unset_image_metadata", {"key": "none"}, 404, "none"),
    act("available", "os-explode", None, 400, "os-explode"),
]  # fmt: skip

MOVES = [  # lifecycles 6
    *[act(s, "os-retype", {"new_type": "private"}, 404, "private")
      for s in ("available", "creating")],
    act("types", "os-retype", {"new_type": "type"}, 400, "type"),
    act("types", "os-retype", {"new_type": "private", "migration_policy": "always"}, 400,
        "migration_policy"),
    act("types", "os-retype", {}, 400, "new_type"),
    act("types", "os-retype", {"new_type": "private"}, 404, "private", admin=False),
    *[act(s, "os-retype", {"new_type": "wide"}, 400, s)
      for s in ("creating", "error", "deleting", "extending", "awaiting-transfer")],
    act("available", "os-retype", {"new_type": "tiny"}, 400, "1"),
    act("no quota left", "os-retype", {"new_type": "wide"}, 400, "awaiting-transfer"),
    act("available", "os-migrate_volume", {"host": "nowhere"}, 400, "nowhere"),
    act("available", "os-migrate_volume", {"host": HOST}, 400, HOST),
    act("available", "os-migrate_volume", {}, 400, "host"),
    act("available", "os-migrate_volume", {"host": HOST}, 403, "migrate_volume", admin=False),
    *[act(s, "os-migrate_volume", {"host": ELSEWHERE}, 400, s)
      for s in ("creating", "error", "deleting", "extending", "awaiting-transfer")],
    act("frozen", "os-migrate_volume", {"host": ELSEWHERE}, 400, "frozen"),
]  # fmt: skip

RESET = [  # lifecycles 6 and 15 (24)
    *[act("available", "os-reset_status", {"status": s}, 400, s)
      for s in ("creating", "deleting", "extending", "detaching", "awaiting-transfer", "nonsense")],
    act("available", "os-reset_status", {"status": "in-use"}, 400, "no attachment"),
    act("available", "os-reset_status", {}, 400, "status"),
    act("available", "os-reset_status", {"status": "error"}, 403, "reset_status", admin=False),
    act("creating", "os-reset_status", {"status": "available"}, 400, "creating"),
    act("deleting", "os-reset_status", {"status": "available"}, 400, "deleting"),
    act("nothing", "os-reset_status", {"status": "error"}, 404, NOWHERE),
]  # fmt: skip

TRANSFERS = [  # lifecycles 11, api.md 10
    *[offer(s, 400, s) for s in ("creating", "error", "deleting", "extending",
                                 "awaiting-transfer")],
    offer("nothing", 404, NOWHERE),
    offer("another project's", 404, "could not be found", admin=False),
    offer("available", 404, "", mv="3.54"),
    accept("awaiting-transfer", "wrong", 400, "key"),
    accept("awaiting-transfer", "", 400, "auth_key"),
    accept("no quota left", "{key}", 413, "gigabytes"),
    ask("POST", f"/volume-transfers/{NOWHERE}/accept", {"accept": {"auth_key": "k"}}, 404, NOWHERE),
    ask("GET", f"/volume-transfers/{NOWHERE}", None, 404, NOWHERE),
    ask("DELETE", f"/volume-transfers/{NOWHERE}", None, 404, NOWHERE),
    ask("GET", "/volume-transfers?marker=" + NOWHERE, None, 404, NOWHERE),
    ask("GET", "/volume-transfers?sort=colour", None, 400, "colour"),
]  # fmt: skip

SPEC = {"extra_specs": {"a": "b"}}

TYPES = [  # api.md 7
    ask("POST", "/types", {"volume_type": {"name": "type"}}, 409, "type", given="types"),
    ask("POST", "/types", {"volume_type": {"name": " "}}, 400, "name"),
    ask("POST", "/types", {"volume_type": {"name": "n"}}, 403, "type_create", admin=False),
    ask("PUT", "/types/{type}", {"volume_type": {}}, 400, "", given="types"),
    ask("PUT", "/types/{type}", {"volume_type": {"name": "private"}}, 409, "", given="types"),
    ask("PUT", "/types/{id}", {"volume_type": {"name": "n"}}, 404, NOWHERE),
    ask("DELETE", "/types/{id}", None, 404, NOWHERE),
    ask("DELETE", "/types/{type}", None, 400, "use", given="types"),
    ask("GET", "/types/{private}", None, 404, "", given="types", admin=False),
    ask("POST", "/types/{type}/extra_specs", SPEC, 400, "use", given="types"),
    ask("DELETE", "/types/{private}/extra_specs/a", None, 404, "a", given="types"),
    ask("PUT", "/types/{private}/extra_specs/a", {"b": "c"}, 400, "", given="types"),
    ask("PUT", "/types/{private}/extra_specs/a", {"a": "c", "b": "c"}, 400, "", given="types"),
    ask("POST", "/types/{private}/extra_specs", {"extra_specs": {"a b": "c"}}, 400, "",
        given="types"),
    ask("POST", "/types/{private}/action", {"addProjectAccess": {"project": OTHER}}, 409, OTHER,
        given="types"),
    ask("POST", "/types/{private}/action", {"removeProjectAccess": {"project": PROJECT}}, 404, "",
        given="types"),
    ask("GET", "/types/{type}/os-volume-type-access", None, 404, "", given="types"),
    ask("POST", "/qos-specs", {"qos_specs": {"name": "fast"}}, 409, "fast", given="types"),
    ask("POST", "/qos-specs", {"qos_specs": {"name": "q", "consumer": "x"}}, 400, "consumer"),
    ask("GET", "/qos-specs/{slow}/associate?vol_type_id={type}", None, 400, "", given="types"),
    ask("GET", "/qos-specs/{slow}/associate?vol_type_id=" + NOWHERE, None, 404, NOWHERE,
        given="types"),
    ask("DELETE", "/qos-specs/{fast}", None, 400, "use", given="types"),
    ask("DELETE", "/qos-specs/" + NOWHERE, None, 404, NOWHERE),
    ask("GET", "/qos-specs", None, 403, "qos", admin=False),
    ask("PUT", f"/default-types/{OTHER}", {"default_type": {"volume_type": "none"}}, 404, "none"),
    ask("GET", f"/default-types/{OTHER}", None, 404, OTHER),
    ask("GET", f"/default-types/{OTHER}", None, 404, "", mv="3.61"),
]  # fmt: skip

ADMINISTRATION = [  # lifecycles 2, api.md 8 and 12
    ask("PUT", f"/os-quota-sets/{OTHER}", {"quota_set": {"shoes": 1}}, 400, "shoes"),
    ask("PUT", f"/os-quota-sets/{OTHER}", {"quota_set": {"volumes": -2}}, 400, "volumes"),
    ask("PUT", f"/os-quota-sets/{OTHER}", {"quota_set": {"volumes": 2**31}}, 400, "volumes"),
    ask("PUT", f"/os-quota-sets/{OTHER}", {"quota_set": {}}, 400, "no limit"),
    ask("PUT", f"/os-quota-sets/{PROJECT}", {"quota_set": {"gigabytes": 1}}, 400, "2 are consumed",
        given="available"),
    ask("PUT", f"/os-quota-sets/{PROJECT}", {"quota_set": {"volumes": 1}}, 403, "quotas:update",
        admin=False),
    ask("GET", f"/os-quota-sets/{OTHER}", None, 403, "quotas:show", admin=False),
    ask("DELETE", f"/os-quota-sets/{OTHER}", None, 403, "quotas:delete", admin=False),
    ask("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"shoes": 1}}, 400, "shoes"),
    ask("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"volumes": 1}}, 403, "quota",
        admin=False),
    ask("GET", "/os-services", None, 403, "services", admin=False),
    ask("PUT", "/os-services/disable", {"host": "x", "binary": "cinder-volume"}, 404, "x"),
    ask("PUT", "/os-services/enable", {"host": "host1@files"}, 400, "binary"),
    ask("PUT", "/os-services/disable", {"host": "host1@files", "binary": "cinder-volume"}, 403,
        "services", admin=False),
    ask("PUT", "/os-services/disable-log-reason",
        {"host": "host1@files", "binary": "cinder-volume", "disabled_reason": " "}, 400, "reason"),
    ask("PUT", "/os-services/freeze", {"host": "host1@files"}, 400, "frozen", given="frozen"),
    ask("PUT", "/os-services/thaw", {"host": "host1@files"}, 400, "frozen"),
    ask("PUT", "/os-services/freeze", {"host": "nowhere"}, 404, "nowhere"),
    ask("GET", "/scheduler-stats/get_pools", None, 403, "pools", admin=False),
    ask("GET", f"/messages/{NOWHERE}", None, 404, NOWHERE),
    ask("DELETE", f"/messages/{NOWHERE}", None, 404, NOWHERE),
    ask("GET", "/messages", None, 404, "", mv="3.2"),
    ask("GET", "/resource_filters", None, 404, "", mv="3.32"),
]  # fmt: skip

LISTS = [  # api.md 1
    ask("GET", "/volumes?limit=-1", None, 400, "limit"),
    ask("GET", "/volumes?limit=x", None, 400, "limit"),
    ask("GET", "/volumes?offset=-1", None, 400, "offset"),
    ask("GET", f"/volumes?offset={2**31}", None, 400, "offset"),
    ask("GET", "/volumes?marker=" + NOWHERE, None, 404, NOWHERE),
    ask("GET", "/volumes?sort=colour", None, 400, "colour"),
    ask("GET", "/volumes?sort=name:sideways", None, 400, "sideways"),
    ask("GET", "/volumes?sort=name&sort_key=name", None, 400, "sort"),
    ask("GET", "/volumes?colour=red", None, 400, "colour", admin=False),
    ask("GET", "/volumes?name~=a", None, 400, "name~", admin=False),
    ask("GET", "/volumes?bootable=perhaps", None, 400, "perhaps"),
    ask("GET", "/volumes?metadata=k", None, 400, "dictionary"),
    ask("GET", "/volumes/summary", None, 404, "", mv="3.11"),
]

REFUSALS = [
    *CREATION, *DELETION, *EXTENSION, *WORDS, *RESET, *TRANSFERS, *MOVES, *TYPES, *ADMINISTRATION,
    *LISTS,
]  # fmt: skip


@pytest.mark.parametrize("refusal", REFUSALS, ids=str)
async def test_what_must_hold_first_is_required(stage, member, refusal):
    words = await brought_about(stage, refusal.situation)
    before = await stage.recorded()
    caller = stage if refusal.admin else member
    answer = await caller.ask(
        refusal.method,
        f"/v3/{refusal.project}{filled(refusal.path, words)}",
        filled(refusal.body, words),
        mv=refusal.mv,
        headers=refusal.headers,
    )
    assert filled(refusal.says, words) in refused(answer, refusal.code)
    recorded = await stage.application.store.log(before, 10)
    assert {each.event.type_name for each in recorded} <= {"quota_reservation.refused"}


async def test_creation_needs_the_policy(stage, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text('"volume:create": "!"\n')
    async with staged(tmp_path, policy_file=str(file), application=stage.application) as denied:
        answer = await denied.ask("POST", "/volumes", {"volume": {"size": 1}})
    assert "volume:create" in refused(answer, 403)


@pytest.mark.parametrize("situation", sorted({refusal.situation for refusal in REFUSALS}))
async def test_the_situations_are_what_they_are_called(stage, situation):
    words = await brought_about(stage, situation)
    shown = await stage.ask("GET", f"/volumes/{words['id']}")
    expected = {"provisioning": "creating", "another project's": "creating"}.get(
        situation, situation
    )
    if situation == "nothing":
        refused(shown, 404)
    elif situation in ("frozen", "types", "a ceiling"):
        assert shown.json()["volume"]["status"] == "available"
    elif situation == "no quota left":
        assert shown.json()["volume"]["status"] == "awaiting-transfer"
    else:
        assert shown.json()["volume"]["status"] == expected
