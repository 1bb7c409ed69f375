"""Bodies that must be refused: with the right code and envelope, and nothing recorded."""

import json

import pytest

from services.api.bodies import MAX_BYTES
from tests.services.api.test_http import refused

ONE = {"size": 1}
DEEP = b'{"volume":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001

MALFORMED = {
    "nothing": b"",
    "blank": b" ",
    "cut": b'{"volume":',
    "a word": b"volume",
    "python": b"{'volume': {'size': 1}}",
    "comma": b'{"volume": {"size": 1,}}',
    "two values": b'{"volume": {"size": 1}} {}',
    "NaN": b'{"volume": {"size": NaN}}',
    "infinity": b'{"volume": {"size": Infinity}}',
    "latin-1": b'{"volume": {"size": 1, "name": "\xe9"}}',
    "utf-16": '{"volume": {"size": 1}}'.encode("utf-16"),
    "byte order mark": b'\xef\xbb\xbf{"volume": {"size": 1}}',
    "lone surrogate": b'{"volume": {"size": 1, "name": "\\ud800"}}',
    "encoded surrogate": b'{"volume": {"size": 1, "name": "\xed\xa0\x80"}}',
    "key twice": b'{"volume": {"size": 1, "size": 2}}',
    "key twice above": b'{"volume": {"size": 1}, "volume": {"size": 2}}',
    "key twice below": b'{"volume": {"size": 1, "metadata": {"a": "1", "a": "2"}}}',
    "deep": DEEP,
    "deep array": b"[" * 10_000,
    "as deep as fits": b"[" * MAX_BYTES,
    "digits": b'{"volume": {"size": ' + b"1" * 5000 + b"}}",
    "exponent": b'{"volume": {"size": 1e999999}}',
    "array": b"[]",
    "string": b'"volume"',
    "number": b"1",
    "null": b"null",
}

SIZES = [0, -1, 2**31, 2**63, 2**64, 10**30, "1", "", "x", 1.5, 1.0, 1e3, True, False, None, [], {}]

FIELDS = {
    "no size": {},
    **{f"size {size!r}": {"size": size} for size in SIZES},
    "long name": {**ONE, "name": "x" * 256},
    "name with NUL": {**ONE, "name": "a\0b"},
    "name no string": {**ONE, "name": 1},
    "name a list": {**ONE, "name": ["a"]},
    "long description": {**ONE, "description": "x" * 256},
    "long display name": {**ONE, "display_name": "x" * 256},
    "metadata no object": {**ONE, "metadata": []},
    "metadata string": {**ONE, "metadata": "a=b"},
    "metadata empty key": {**ONE, "metadata": {"": "v"}},
    "metadata long key": {**ONE, "metadata": {"k" * 256: "v"}},
    "metadata strange key": {**ONE, "metadata": {"a=b": "v"}},
    "metadata key with line": {**ONE, "metadata": {"a\n": "v"}},
    "metadata long value": {**ONE, "metadata": {"k": "v" * 256}},
    "metadata value with NUL": {**ONE, "metadata": {"k": "\0"}},
    "metadata number": {**ONE, "metadata": {"k": 1}},
    "metadata null value": {**ONE, "metadata": {"k": None}},
    "metadata nested": {**ONE, "metadata": {"k": {}}},
    "unknown field": {**ONE, "colour": "red"},
    "unknown zone": {**ONE, "availability_zone": "moon"},
    "zone no string": {**ONE, "availability_zone": 1},
    "type no string": {**ONE, "volume_type": 1},
    "multiattach": {**ONE, "multiattach": True},
    "multiattach as a word": {**ONE, "multiattach": "yes"},
    "multiattach perhaps": {**ONE, "multiattach": "perhaps"},
    "image": {**ONE, "imageRef": "cirros"},
    "image id": {**ONE, "image_id": "cirros"},
    "snapshot no id": {**ONE, "snapshot_id": "s"},
    "source no id": {**ONE, "source_volid": 1},
    "hints no object": {**ONE, "OS-SCH-HNT:scheduler_hints": []},
}

BODIES = {
    "no volume": {},
    "volume null": {"volume": None},
    "volume a list": {"volume": []},
    "volume a string": {"volume": "v"},
    "something else": {"snapshot": ONE},
    "something besides": {"volume": ONE, "more": 1},
    "hints": {"volume": ONE, "OS-SCH-HNT:scheduler_hints": 1},
}


async def check_refused(stage, code, method, path, body=None, **more):
    before = await stage.recorded()
    message = refused(await stage.ask(method, path, body, **more), code)
    assert await stage.recorded() == before
    return message


@pytest.mark.parametrize("content", MALFORMED.values(), ids=MALFORMED)
async def test_what_is_no_object_in_json_is_400(stage, content):
    await check_refused(stage, 400, "POST", "/volumes", content=content)


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
async def test_fields_that_break_a_rule_are_400(stage, fields):
    await check_refused(stage, 400, "POST", "/volumes", {"volume": fields})


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
async def test_bodies_that_are_no_volume_are_400(stage, body):
    await check_refused(stage, 400, "POST", "/volumes", body)


@pytest.mark.parametrize(
    ("fields", "field"),
    [({"size": 0}, "size"), ({"size": 1, "name": "x" * 256}, "name"), ({"size": "1"}, "'1'")],
)
async def test_a_refusal_names_field_value_and_reason(stage, fields, field):
    message = await check_refused(stage, 400, "POST", "/volumes", {"volume": fields})
    assert field in message
    assert "Expected" in message


@pytest.mark.parametrize(
    "fields",
    [
        {"snapshot_id": "00000000-0000-4000-0000-00000000abcd"},
        {"source_volid": "00000000-0000-4000-0000-00000000abcd"},
        {"backup_id": "00000000-0000-4000-0000-00000000abcd"},
        {"group_id": "00000000-0000-4000-0000-00000000abcd"},
        {"consistencygroup_id": "00000000-0000-4000-0000-00000000abcd"},
        {"volume_type": "nothing"},
        {"volume_type": "no\0thing"},
        {"volume_type": "00000000-0000-4000-0000-00000000abcd"},
    ],
)
async def test_what_does_not_exist_cannot_be_named(stage, fields):
    await check_refused(stage, 404, "POST", "/volumes", {"volume": {**ONE, **fields}})


async def test_two_sources_are_refused_and_both_are_named(stage):
    source = await stage.volume()
    fields = {"source_volid": source["id"], "snapshot_id": source["id"]}
    message = await check_refused(stage, 400, "POST", "/volumes", {"volume": fields})
    assert f"snapshot_id {source['id']} and source_volid {source['id']}" in message


@pytest.mark.parametrize(
    "content_type",
    ["text/plain", "application/xml", "text/json", "multipart/form-data; boundary=x"],
)
async def test_an_unknown_content_type_is_415(stage, content_type):
    await check_refused(
        stage,
        415,
        "POST",
        "/volumes",
        {"volume": ONE},
        headers={"Content-Type": content_type},
    )


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/vnd.openstack.volume+json"]
)
async def test_json_by_other_names_is_taken(stage, content_type):
    answer = await stage.ask(
        "POST", "/volumes", {"volume": ONE}, headers={"Content-Type": content_type}
    )
    assert answer.status_code == 202


async def test_a_body_that_is_announced_as_too_long_is_413(stage):
    content = json.dumps({"volume": {**ONE, "name": "x" * 10_000_000}}).encode()
    await check_refused(stage, 413, "POST", "/volumes", content=content)


async def test_a_body_that_grows_too_long_is_413_and_not_read_to_its_end(stage):
    read = 0

    async def chunks():
        nonlocal read
        for _ in range(1000):
            read += 10_000
            yield b" " * 10_000

    before = await stage.recorded()
    url = "/v3/volumes"
    answer = await stage.client.request(
        "POST", url, content=chunks(), headers={"Content-Type": "application/json"}
    )
    refused(answer, 413)
    assert read <= MAX_BYTES + 20_000
    assert await stage.recorded() == before


async def test_the_longest_body_that_fits_is_read(stage):
    content = json.dumps({"volume": ONE}).encode().ljust(MAX_BYTES)
    assert (await stage.ask("POST", "/volumes", content=content)).status_code == 202


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"os-force_delete": None, "os-extend": {}},
        {"os-extend": {}},
        {"os-extend": {"new_size": 0}},
        {"os-extend": {"new_size": "3"}},
        {"os-extend": {"new_size": 3, "colour": "red"}},
        {"os-force_delete": {"now": True}},
        {"os-force_delete": "now"},
        {"nonsense": None},
        [],
    ],
)
async def test_actions_that_do_not_exist_are_400(stage, body):
    volume = await stage.volume()
    await check_refused(stage, 400, "POST", f"/volumes/{volume['id']}/action", body)


async def test_an_unknown_action_is_named(stage):
    volume = await stage.volume()
    body = {"os-explode": None}
    message = await check_refused(stage, 400, "POST", f"/volumes/{volume['id']}/action", body)
    assert "os-explode" in message


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "", {}),
        ("PUT", "", {"volume": {}}),
        ("PUT", "", {"volume": None}),
        ("PUT", "", {"volume": {"colour": "red"}}),
        ("PUT", "", {"volume": {"size": 5}}),
        ("PUT", "", {"volume": {"name": "x" * 256}}),
        ("PUT", "", {"volume": {"name": 5}}),
        ("PUT", "", {"volume": {"metadata": {"": "x"}}}),
        ("POST", "/metadata", {}),
        ("POST", "/metadata", {"metadata": None}),
        ("POST", "/metadata", {"metadata": {"": "x"}}),
        ("POST", "/metadata", {"metadata": {"a\n": "x"}}),
        ("POST", "/metadata", {"metadata": {"k": 1}}),
        ("PUT", "/metadata", {"metadata": {"k": "v" * 256}}),
        ("PUT", "/metadata", {"metadata": {}, "more": 1}),
        ("PUT", "/metadata/k", {"meta": {}}),
        ("PUT", "/metadata/k", {"meta": {"other": "v"}}),
        ("PUT", "/metadata/k", {"meta": {"k": "v", "other": "v"}}),
        ("PUT", "/metadata/k", {"meta": {"k": None}}),
        ("PUT", "/metadata/%00", {"meta": {"\0": "v"}}),
    ],
)
async def test_changes_that_break_a_rule_are_400(stage, method, path, body):
    volume = await stage.volume()
    await check_refused(stage, 400, method, f"/volumes/{volume['id']}{path}", body)


@pytest.mark.parametrize(
    "quota_set",
    [
        {},
        {"volumes": -2},
        {"volumes": 2**31},
        {"volumes": "many"},
        {"volumes": 1.5},
        {"volumes": True},
        {"volumes": None},
        {"shoes": 1},
        {"gigabytes_nothing": 1},
        {"id": "x"},
        [],
        None,
    ],
)
async def test_limits_that_break_a_rule_are_400(stage, quota_set):
    await check_refused(stage, 400, "PUT", "/os-quota-sets/abc", {"quota_set": quota_set})
