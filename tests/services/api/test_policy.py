"""Authorisation: every rule by persona, an operator's file, and what is remembered of answers."""

import json
from typing import Any
from uuid import UUID

import pytest

from services.api import rules
from services.api.identity import Caller
from services.api.policy import REMEMBERED_S, Policy, PolicyFileError
from tests.services.api.stage import OTHER, PROJECT, staged
from tests.services.api.test_http import refused

ADMIN = Caller("a", OTHER, ("admin",))
MEMBER = Caller("m", PROJECT, ("member", "reader"))
READER = Caller("r", PROJECT, ("reader",))
BYSTANDER = Caller("b", PROJECT, ("auditor",))
STRANGER = Caller("s", OTHER, ("member", "reader"))
OWNED = (PROJECT, "owner")


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize("rule", rules.RULES)
def test_each_rule_lets_its_persona_pass(rule):
    """Any role in the project passes what is not for administrators (the older default)."""
    policy = Policy(monotonic=Clock())
    for everybody in range(2):  # the second time as remembered
        assert policy.allows(rule, ADMIN, OWNED), everybody
        own = rules.RULES[rule] != rules.ADMIN
        for caller in (MEMBER, READER, BYSTANDER):
            assert policy.allows(rule, caller, OWNED) is own
        assert not policy.allows(rule, STRANGER, OWNED)


def test_a_rule_without_a_name_is_for_nobody():
    assert not Policy(monotonic=Clock()).allows("volume:fly", ADMIN)


def test_a_file_overrides_any_rule(tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(
        '"volume:create": "role:creator"\n'
        '"volume:delete": "user_id:%(user_id)s"\n'
        '"volume:unheard_of": "!"\n'
        '"context_is_admin": "role:root"\n'
    )
    policy = Policy(file=str(file), monotonic=Clock())
    assert not policy.allows(rules.CREATE, ADMIN)
    assert policy.allows(rules.CREATE, Caller("c", PROJECT, ("creator",)))
    assert policy.allows(rules.DELETE, MEMBER, (PROJECT, "m"))
    assert not policy.allows(rules.DELETE, MEMBER, OWNED)
    assert policy.is_admin(Caller("x", PROJECT, ("root",)))
    assert not policy.is_admin(ADMIN)
    assert policy.allows(rules.FORCE_DELETE, Caller("x", PROJECT, ("root",)))


def test_a_changed_file_is_in_force_soon(tmp_path):
    clock, file = Clock(), tmp_path / "policy.yaml"
    file.write_text('"volume:create": "!"\n')
    policy = Policy(file=str(file), monotonic=clock)
    assert not policy.allows(rules.CREATE, MEMBER)
    file.write_text('"volume:create": "@"\n# longer, so that it differs\n')
    import os

    os.utime(file, (2e9, 2e9))
    assert not policy.allows(rules.CREATE, MEMBER)
    clock.now += REMEMBERED_S
    assert policy.allows(rules.CREATE, MEMBER)


@pytest.mark.parametrize("text", ["[1, 2]", "{", '"a', "just words"])
def test_a_file_that_makes_no_sense_is_refused_at_the_start(tmp_path, text):
    file = tmp_path / "policy.yaml"
    file.write_text(text)
    with pytest.raises(PolicyFileError, match=r"policy\.yaml"):
        Policy(file=str(file), monotonic=Clock())


def test_a_file_that_is_missing_is_refused_at_the_start(tmp_path):
    with pytest.raises(PolicyFileError):
        Policy(file=str(tmp_path / "none.yaml"), monotonic=Clock())


GUARDED: list[tuple[str, str, str, Any, int]] = [
    (rules.CREATE, "POST", "/volumes", {"volume": {"size": 1}}, 403),
    (rules.GET_ALL, "GET", "/volumes", None, 403),
    (rules.GET_ALL, "GET", "/volumes/detail", None, 403),
    (rules.GET_ALL, "GET", "/volumes/summary", None, 403),
    (rules.GET, "GET", "/volumes/{id}", None, 404),
    (rules.GET, "DELETE", "/volumes/{id}", None, 404),
    (rules.UPDATE, "PUT", "/volumes/{id}", {"volume": {"name": "n"}}, 403),
    (rules.DELETE, "DELETE", "/volumes/{id}", None, 403),
    (rules.UPLOAD, "POST", "/volumes/{id}/action",
     {"os-volume_upload_image": {"image_name": "i"}}, 403),
    (rules.UPLOAD_PUBLIC, "POST", "/volumes/{id}/action",
     {"os-volume_upload_image": {"image_name": "i", "visibility": "public"}}, 403),
    (rules.RETYPE, "POST", "/volumes/{id}/action", {"os-retype": {"new_type": "x"}}, 403),
    (
        rules.MIGRATE,
        "POST",
        "/volumes/{id}/action",
        {"os-migrate_volume": {"host": "host1@files#more"}},
        403,
    ),
    (
        rules.MIGRATE_COMPLETION,
        "POST",
        "/volumes/{id}/action",
        {"os-migrate_volume_completion": {"new_volume": "{id}"}},
        403,
    ),
    (rules.REVERT, "POST", "/volumes/{id}/action", {"revert": {"snapshot_id": str(UUID(int=9))}},
     403),
    (rules.EXTEND, "POST", "/volumes/{id}/action", {"os-extend": {"new_size": 9}}, 403),
    (rules.UPDATE_READONLY, "POST", "/volumes/{id}/action",
     {"os-update_readonly_flag": {"readonly": True}}, 403),
    (rules.SET_IMAGE_METADATA, "POST", "/volumes/{id}/action",
     {"os-set_image_metadata": {"metadata": {"k": "v"}}}, 403),
    (rules.REMOVE_IMAGE_METADATA, "POST", "/volumes/{id}/action",
     {"os-unset_image_metadata": {"key": "k"}}, 403),
    (rules.GET_METADATA, "POST", "/volumes/{id}/action", {"os-show_image_metadata": None}, 403),
    (rules.UPDATE, "POST", "/volumes/{id}/action", {"os-set_bootable": {"bootable": True}}, 403),
    (rules.RESET_STATUS, "POST", "/volumes/{id}/action",
     {"os-reset_status": {"status": "error"}}, 403),
    (rules.TRANSFER_CREATE, "POST", "/volume-transfers", {"transfer": {"volume_id": "{id}"}}, 403),
    (rules.TRANSFER_GET_ALL, "GET", "/volume-transfers", None, 403),
    (rules.FORCE_DELETE, "DELETE", "/volumes/{id}?force=1", None, 403),
    (rules.ACTION_FORCE_DELETE, "POST", "/volumes/{id}/action", {"os-force_delete": None}, 403),
    (rules.RESERVE, "POST", "/volumes/{id}/action", {"os-reserve": None}, 403),
    (rules.UNRESERVE, "POST", "/volumes/{id}/action", {"os-unreserve": None}, 403),
    (rules.BEGIN_DETACHING, "POST", "/volumes/{id}/action", {"os-begin_detaching": None}, 403),
    (rules.ROLL_DETACHING, "POST", "/volumes/{id}/action", {"os-roll_detaching": None}, 403),
    (rules.ATTACH, "POST", "/volumes/{id}/action",
     {"os-attach": {"host_name": "n", "mountpoint": "/dev/vdb"}}, 403),
    (rules.DETACH, "POST", "/volumes/{id}/action", {"os-detach": None}, 403),
    (rules.FORCE_DETACH, "POST", "/volumes/{id}/action", {"os-force_detach": {}}, 403),
    (rules.INITIALIZE_CONNECTION, "POST", "/volumes/{id}/action",
     {"os-initialize_connection": {"connector": {"host": "n"}}}, 403),
    (rules.TERMINATE_CONNECTION, "POST", "/volumes/{id}/action",
     {"os-terminate_connection": {"connector": {"host": "n"}}}, 403),
    (rules.ENCRYPTION, "GET", "/volumes/{id}/encryption", None, 403),
    (rules.GET_METADATA, "GET", "/volumes/{id}/metadata", None, 403),
    (rules.GET_METADATA, "GET", "/volumes/{id}/metadata/k", None, 403),
    (rules.CREATE_METADATA, "POST", "/volumes/{id}/metadata", {"metadata": {}}, 403),
    (rules.UPDATE_METADATA, "PUT", "/volumes/{id}/metadata", {"metadata": {}}, 403),
    (rules.UPDATE_METADATA, "PUT", "/volumes/{id}/metadata/k", {"meta": {"k": "v"}}, 403),
    (rules.DELETE_METADATA, "DELETE", "/volumes/{id}/metadata/k", None, 403),
    (rules.SNAPSHOT_CREATE, "POST", "/snapshots", {"snapshot": {"volume_id": "{id}"}}, 403),
    (rules.SNAPSHOT_GET_ALL, "GET", "/snapshots", None, 403),
    (rules.SNAPSHOT_GET_ALL, "GET", "/snapshots/detail", None, 403),
    (rules.SNAPSHOT_GET, "GET", "/snapshots/{snapshot}", None, 403),
    (rules.SNAPSHOT_GET, "DELETE", "/snapshots/{snapshot}", None, 403),
    (rules.SNAPSHOT_UPDATE, "PUT", "/snapshots/{snapshot}", {"snapshot": {"name": "n"}}, 403),
    (rules.SNAPSHOT_DELETE, "DELETE", "/snapshots/{snapshot}", None, 403),
    (rules.SNAPSHOT_FORCE_DELETE, "POST", "/snapshots/{snapshot}/action",
     {"os-force_delete": None}, 403),
    (rules.SNAPSHOT_RESET_STATUS, "POST", "/snapshots/{snapshot}/action",
     {"os-reset_status": {"status": "error"}}, 403),
    (rules.SNAPSHOT_UPDATE_STATUS, "POST", "/snapshots/{snapshot}/action",
     {"os-update_snapshot_status": {"status": "creating"}}, 403),
    (rules.SNAPSHOT_GET_METADATA, "GET", "/snapshots/{snapshot}/metadata", None, 403),
    (rules.SNAPSHOT_UPDATE_METADATA, "POST", "/snapshots/{snapshot}/metadata",
     {"metadata": {}}, 403),
    (rules.SNAPSHOT_UPDATE_METADATA, "PUT", "/snapshots/{snapshot}/metadata",
     {"metadata": {}}, 403),
    (rules.SNAPSHOT_DELETE_METADATA, "DELETE", "/snapshots/{snapshot}/metadata/k", None, 403),
    (rules.TYPE_GET_ALL, "GET", "/types", None, 403),
    (rules.TYPE_GET, "GET", "/types/default", None, 403),
    (rules.TYPE_CREATE, "POST", "/types", {"volume_type": {"name": "n"}}, 403),
    (rules.TYPE_UPDATE, "PUT", "/types/__DEFAULT__", {"volume_type": {"description": "d"}}, 403),
    (rules.TYPE_DELETE, "DELETE", "/types/__DEFAULT__", None, 403),
    (rules.SPECS_LIST, "GET", "/types/__DEFAULT__/extra_specs", None, 403),
    (rules.SPECS_SHOW, "GET", "/types/__DEFAULT__/extra_specs/k", None, 403),
    (rules.SPECS_CREATE, "POST", "/types/__DEFAULT__/extra_specs", {"extra_specs": {}}, 403),
    (rules.SPECS_UPDATE, "PUT", "/types/__DEFAULT__/extra_specs/k", {"k": "v"}, 403),
    (rules.SPECS_DELETE, "DELETE", "/types/__DEFAULT__/extra_specs/k", None, 403),
    (rules.TYPE_ACCESS_LIST, "GET", "/types/__DEFAULT__/os-volume-type-access", None, 403),
    (rules.TYPE_ACCESS_ADD, "POST", "/types/__DEFAULT__/action",
     {"addProjectAccess": {"project": "p"}}, 403),
    (rules.TYPE_ACCESS_REMOVE, "POST", "/types/__DEFAULT__/action",
     {"removeProjectAccess": {"project": "p"}}, 403),
    (rules.TYPE_ENCRYPTION_GET, "GET", "/types/__DEFAULT__/encryption", None, 403),
    (rules.TYPE_ENCRYPTION_GET, "GET", "/types/__DEFAULT__/encryption/cipher", None, 403),
    (rules.TYPE_ENCRYPTION_CREATE, "POST", "/types/__DEFAULT__/encryption",
     {"encryption": {"provider": "luks", "control_location": "front-end"}}, 403),
    (rules.TYPE_ENCRYPTION_UPDATE, "PUT", "/types/__DEFAULT__/encryption/provider",
     {"encryption": {"provider": "luks"}}, 403),
    (rules.TYPE_ENCRYPTION_DELETE, "DELETE", "/types/__DEFAULT__/encryption/provider", None, 403),
    (rules.QOS_GET_ALL, "GET", "/qos-specs", None, 403),
    (rules.QOS_GET_ALL, "GET", "/qos-specs/x/associations", None, 403),
    (rules.QOS_GET, "GET", "/qos-specs/x", None, 403),
    (rules.QOS_CREATE, "POST", "/qos-specs", {"qos_specs": {"name": "n"}}, 403),
    (rules.QOS_UPDATE, "PUT", "/qos-specs/x", {"qos_specs": {"k": "v"}}, 403),
    (rules.QOS_UPDATE, "GET", "/qos-specs/x/associate?vol_type_id=y", None, 403),
    (rules.QOS_UPDATE, "GET", "/qos-specs/x/disassociate?vol_type_id=y", None, 403),
    (rules.QOS_UPDATE, "GET", "/qos-specs/x/disassociate_all", None, 403),
    (rules.QOS_DELETE, "DELETE", "/qos-specs/x", None, 403),
    (rules.QOS_DELETE, "PUT", "/qos-specs/x/delete_keys", {"keys": []}, 403),
    (rules.DEFAULT_SET, "PUT", "/default-types/p", {"default_type": {"volume_type": "t"}}, 403),
    (rules.DEFAULT_GET, "GET", "/default-types/p", None, 403),
    (rules.DEFAULT_GET_ALL, "GET", "/default-types", None, 403),
    (rules.DEFAULT_UNSET, "DELETE", "/default-types/p", None, 403),
    (rules.QUOTAS_SHOW, "GET", f"/os-quota-sets/{PROJECT}", None, 403),
    (rules.QUOTAS_UPDATE, "PUT", f"/os-quota-sets/{PROJECT}", {"quota_set": {}}, 403),
    (rules.QUOTAS_DELETE, "DELETE", f"/os-quota-sets/{PROJECT}", None, 403),
    (rules.CLASSES_GET, "GET", "/os-quota-class-sets/default", None, 403),
    (rules.CLASSES_UPDATE, "PUT", "/os-quota-class-sets/default", {"quota_class_set": {}}, 403),
    (rules.SERVICES, "GET", "/os-services", None, 403),
    (rules.SERVICES_UPDATE, "PUT", "/os-services/enable", None, 403),
    (rules.SERVICES_UPDATE, "PUT", "/os-services/disable", None, 403),
    (rules.SERVICES_UPDATE, "PUT", "/os-services/disable-log-reason", None, 403),
    (rules.SERVICES_UPDATE, "PUT", "/os-services/freeze", None, 403),
    (rules.SERVICES_UPDATE, "PUT", "/os-services/thaw", None, 403),
    (rules.FREEZE, "PUT", "/os-services/freeze", None, 403),
    (rules.THAW, "PUT", "/os-services/thaw", None, 403),
    (rules.MESSAGE_GET_ALL, "GET", "/messages", None, 403),
    (rules.MESSAGE_GET, "GET", "/messages/{message}", None, 403),
    (rules.MESSAGE_DELETE, "DELETE", "/messages/{message}", None, 403),
    (rules.POOLS, "GET", "/scheduler-stats/get_pools", None, 403),
]  # fmt: skip


@pytest.mark.parametrize(
    ("rule", "method", "path", "body", "code"), GUARDED, ids=lambda value: str(value)[:40]
)
async def test_each_rule_guards_its_request(stage, tmp_path, rule, method, path, body, code):
    volume = await stage.volume(metadata={"k": "v"})
    message = (await stage.told())["id"] if "{message}" in path else ""
    snapshot = (await stage.snapshot())["id"] if "{snapshot}" in path else ""
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{rule}": "!"\n')
    before = await stage.recorded()
    async with staged(tmp_path, policy_file=str(file), application=stage.application) as denied:
        body = json.loads(json.dumps(body).replace("{id}", volume["id"]))
        answer = await denied.ask(
            method, path.format(id=volume["id"], message=message, snapshot=snapshot), body
        )
    said = refused(answer, code)
    assert code == 404 or rule in said
    assert await stage.recorded() == before


FIELDS = [
    (rules.FIELD_HOST, "/volumes/{id}", "volume", "os-vol-host-attr:host"),
    (rules.FIELD_MIGRATION, "/volumes/{id}", "volume", "os-vol-mig-status-attr:name_id"),
    (rules.FIELD_PROJECT, "/volumes/{id}", "volume", "os-vol-tenant-attr:tenant_id"),
    (
        rules.FIELD_SNAPSHOT_EXTENDED,
        "/snapshots/{snapshot}",
        "snapshot",
        "os-extended-snapshot-attributes:progress",
    ),
    (rules.FIELD_TYPE_SPECS, "/types/default", "volume_type", "extra_specs"),
    (rules.FIELD_TYPE_QOS, "/types/default", "volume_type", "qos_specs_id"),
    (rules.FIELD_TYPE_PUBLIC, "/types/default", "volume_type", "os-volume-type-access:is_public"),
]


@pytest.mark.parametrize(("rule", "path", "name", "field"), FIELDS)
async def test_a_field_that_may_not_be_seen_is_left_out(stage, tmp_path, rule, path, name, field):
    volume = await stage.volume()
    snapshot = (await stage.snapshot())["id"] if "{snapshot}" in path else ""
    path = path.format(id=volume["id"], snapshot=snapshot)
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{rule}": "!"\n')
    async with staged(tmp_path, policy_file=str(file), application=stage.application) as denied:
        shown = (await denied.ask("GET", path)).json()[name]
    full = (await stage.ask("GET", path)).json()[name]
    assert field in full
    assert field not in shown


async def test_used_limits_are_left_out_where_they_may_not_be_seen(stage, tmp_path):
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{rules.USED_LIMITS}": "!"\n')
    async with staged(tmp_path, policy_file=str(file), application=stage.application) as denied:
        absolute = (await denied.ask("GET", "/limits")).json()["limits"]["absolute"]
    assert all(name.startswith("max") for name in absolute)


async def test_a_type_whose_volumes_several_may_attach_has_a_rule_of_its_own(stage, tmp_path):
    specs = {"multiattach": "<is> True"}
    for name, given in (("shared", {"extra_specs": specs}), ("plain", {})):
        body = {"volume_type": {"name": name, **given}}
        assert (await stage.ask("POST", "/types", body)).status_code == 200
    volume = await stage.available()
    file = tmp_path / "policy.yaml"
    file.write_text(f'"{rules.MULTIATTACH}": "!"\n')
    async with staged(tmp_path, policy_file=str(file), application=stage.application) as denied:
        action = f"/volumes/{volume['id']}/action"
        wanted = {"os-retype": {"new_type": "shared"}}
        assert rules.MULTIATTACH in refused(await denied.ask("POST", action, wanted), 403)
        wanted = {"os-retype": {"new_type": "plain"}}
        assert (await denied.ask("POST", action, wanted)).status_code == 202


def test_every_rule_is_tested():
    guarded = {rule for rule, *_ in GUARDED} | {rule for rule, *_ in FIELDS}
    others = {rules.USED_LIMITS, rules.TYPE_SENSITIVE_SPECS, rules.EXTEND_ATTACHED}
    others |= {rules.TRANSFER_GET, rules.TRANSFER_DELETE, rules.TRANSFER_ACCEPT}
    others |= {rules.FIELD_IMAGE_METADATA, rules.MULTIATTACH, rules.CREATE_FROM_IMAGE}
    others |= {rules.ATTACHMENT_CREATE, rules.ATTACHMENT_UPDATE}
    others |= {rules.MULTIATTACH_BOOTABLE}
    others |= {rule for rule in rules.RULES if "backup" in rule}  # test_backups.py
    others |= {rules.ATTACHMENT_DELETE, rules.ATTACHMENT_COMPLETE}
    assert guarded | others == set(rules.RULES)
