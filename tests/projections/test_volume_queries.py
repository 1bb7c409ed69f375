"""Volumes as they are listed: every row once, in order, on both databases."""

import asyncio
from itertools import product
from typing import Any
from uuid import UUID, uuid5

import pytest
from sqlalchemy import event

from adapters import database
from domain.errors import InvalidRequest, NotFound
from domain.machines.volume import VISIBLE_ATTACHMENT, VOLUME, visible_status
from domain.machines.volume_operation import VOLUME_OPERATION
from projections import VOLUMES, volumes
from projections.filters import Bound
from projections.generations import create_tables
from projections.listing import Query
from projections.projection import Patch, Pending, fold
from projections.runner import Runner
from projections.writing import write
from tests.projections.histories import (
    CHOSEN,
    POOL,
    SPACE,
    MemoryLog,
    a_volume,
    at,
    clock,
)

NAMES = ["a", None, "b", "B", None, "ä", "a", "100%", "x_y", "", "xzy", "zebra"]
KEYS = [
    "id", "status", "size", "availability_zone", "name", "display_name", "created_at", "updated_at",
    "launched_at", "volume_type_id", "bootable", "host", "user_id", "description", "project_id",
]  # fmt: skip


def an_example():
    """Volumes of every kind; many equal values, many unset ones."""
    for n in range(36):
        volume = a_volume(
            NAMES[n % len(NAMES)],
            number=n,
            second=n % 4,
            project_id="mine" if n % 3 else "theirs",
            size_gib=n % 5 + 1,
            description="d" if n % 2 else None,
            metadata=[{}, {"a": "1"}, {"a": "1", "b": "x"}, {"q\"'.$": "%"}][n % 4],
            availability_zone="nova" if n % 6 == 0 else None,
            volume_type_id=uuid5(SPACE, f"type {n % 2}"),
        )
        if n % 4 > 0:
            volume.place(CHOSEN, at(10 + n % 3))
        if n % 4 > 1:
            volume.provisioned(volume.start_provisioning("worker", at(20)), None, at(21 + n % 2))
        yield volume


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]
)
def stored(request, tmp_path_factory):
    """A connection, the active tables, and the rows they were filled from."""
    if request.param == "postgresql":
        url = request.getfixturevalue("module_postgres_url")
    else:
        url = database.sqlite_url(tmp_path_factory.mktemp("queries") / "views.db")
    engine = database.engine(url)
    log = MemoryLog()
    log.append(*an_example())
    runner = Runner(engine, log, clock=clock)
    asyncio.run(runner.catch_up())
    runner.close()
    with engine.connect() as connection:
        yield connection, {"volumes": VOLUMES.table(1)}, fold(VOLUMES, log.events)
    engine.dispose()


def test_the_status_is_what_the_machines_say_of_all_that_can_be(stored):
    connection, tables, _ = stored
    states = [state for state in VOLUME.states if state not in ("new", "deleted")]
    every = list(product(states, VOLUME_OPERATION.states, VISIBLE_ATTACHMENT))
    some = next(iter(volumes.page(connection, tables, Query(limit=1))))
    with connection.begin_nested() as undone:
        for state, operation, attach_status in every:
            values = {"state": state, "operation": operation, "attach_status": attach_status}
            write(connection, tables["volumes"], patching(some.id, values))
            row = volumes.find(connection, tables, some.id)
            assert row is not None
            assert row.status == visible_status(state, operation, attach_status)
        undone.rollback()


def patching(id, values):
    pending = Pending()
    pending.add(Patch(id, values))
    return pending


@pytest.mark.parametrize("direction", ["asc", "desc"])
@pytest.mark.parametrize("project", ["mine", None])
@pytest.mark.parametrize("keys", [*((key,) for key in KEYS), ("name", "size"), ("host", "name")])
def test_pages_walk_every_row_once_in_order(stored, keys, project, direction):
    connection, tables, expected = stored
    sort = [(key, direction) for key in keys]
    whole = volumes.page(connection, tables, Query(project_id=project, sort=sort))
    walked, marker = [], None
    while True:
        query = Query(project_id=project, sort=sort, marker=marker, limit=5)
        part = volumes.page(connection, tables, query)
        if not part:
            break
        walked += part
        marker = part[-1].id
    assert walked == whole
    ids = {id for id, row in expected.items() if project in (None, row["project_id"])}
    assert len(whole) == len(ids)
    assert {row.id for row in whole} == ids


@pytest.mark.parametrize("first", ["asc", "desc"])
@pytest.mark.parametrize("second", ["asc", "desc"])
def test_pages_walk_every_row_once_in_mixed_directions(stored, first, second):
    connection, tables, expected = stored
    sort: Any = [("updated_at", first), ("size", second)]
    walked, marker = [], None
    while part := volumes.page(connection, tables, Query(sort=sort, marker=marker, limit=7)):
        walked += part
        marker = part[-1].id
    assert walked == volumes.page(connection, tables, Query(sort=sort))
    assert len(walked) == len({row.id for row in walked}) == len(expected)


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("key", ["name", "host", "updated_at", "size_gib", "created_at"])
def test_the_order_is_that_of_bytes_with_unset_values_smallest(stored, key, descending):
    connection, tables, expected = stored

    def place(row):
        value = row[key]
        if value is None:
            return (0, 0, row["id"])
        return (1, value.encode() if isinstance(value, str) else value, row["id"])

    ordered = sorted(expected.values(), key=place, reverse=descending)
    sort: Any = [(key, "desc" if descending else "asc")]
    found = volumes.page(connection, tables, Query(sort=sort))
    assert [row.id for row in found] == [row["id"] for row in ordered]


def test_newest_come_first_unless_said_otherwise(stored):
    connection, tables, expected = stored
    found = volumes.page(connection, tables, Query())
    by_age = sorted(expected.values(), key=lambda r: (r["created_at"], r["id"]), reverse=True)
    assert [row.id for row in found] == [row["id"] for row in by_age]


MINE = {"project_id": "mine"}
ID = uuid5(SPACE, "1")


@pytest.mark.parametrize(
    ("query", "matches"),
    [
        ({}, lambda r: True),
        (MINE, lambda r: r["project_id"] == "mine"),
        ({"equals": {"name": ("a",)}}, lambda r: r["name"] == "a"),
        ({"equals": {"name": ("a", "b")}}, lambda r: r["name"] in ("a", "b")),
        ({"equals": {"name": ("a", None)}}, lambda r: r["name"] in ("a", None)),
        ({"equals": {"name": (None,)}}, lambda r: r["name"] is None),
        ({"equals": {"name": ()}}, lambda r: False),
        ({"equals": {"id": (str(ID), "nonsense")}}, lambda r: r["id"] == ID),
        ({"equals": {"id": ("nonsense",)}}, lambda r: False),
        ({"equals": {"size": (1, 3), "status": ("available",)}},
         lambda r: r["size_gib"] in (1, 3) and r["state"] == "available"),
        ({"equals": {"bootable": (False,)}}, lambda r: True),
        ({"equals": {"bootable": (True,)}}, lambda r: False),
        ({"equals": {"host": (POOL.pool,)}, **MINE},
         lambda r: r["host"] is not None and r["project_id"] == "mine"),
        ({"contains": {"name": "Z"}}, lambda r: "z" in (r["name"] or "")),
        ({"contains": {"name": "%"}}, lambda r: "%" in (r["name"] or "")),
        ({"contains": {"name": "_"}}, lambda r: "_" in (r["name"] or "")),
        ({"pairs": {"metadata": {"a": "1"}}}, lambda r: r["metadata"].get("a") == "1"),
        ({"pairs": {"metadata": {"a": "1", "b": "x"}}},
         lambda r: r["metadata"] == {"a": "1", "b": "x"}),
        ({"pairs": {"metadata": {"a": "2"}}}, lambda r: False),
        ({"pairs": {"metadata": {'q"\'.$': "%"}}}, lambda r: 'q"\'.$' in r["metadata"]),
        ({"times": [Bound("created_at", "gt", at(1).at)]}, lambda r: r["created_at"] > at(1).at),
        ({"times": [Bound("created_at", "gte", at(1).at), Bound("created_at", "lt", at(3).at)]},
         lambda r: at(1).at <= r["created_at"] < at(3).at),
        ({"times": [Bound("created_at", "lte", at(1).at)]}, lambda r: r["created_at"] <= at(1).at),
        ({"times": [Bound("created_at", "eq", at(2).at)]}, lambda r: r["created_at"] == at(2).at),
        ({"times": [Bound("updated_at", "neq", at(10).at)]},
         lambda r: r["updated_at"] not in (None, at(10).at)),
    ],
)  # fmt: skip
def test_conditions_match_what_they_say(stored, query, matches):
    connection, tables, expected = stored
    asked = Query(**query)
    wanted = {id for id, row in expected.items() if matches(row)}
    assert {row.id for row in volumes.page(connection, tables, asked)} == wanted
    assert volumes.count(connection, tables, asked) == len(wanted)
    assert volumes.summary(connection, tables, asked).count == len(wanted)


def test_rows_are_what_the_fold_says(stored):
    connection, tables, expected = stored
    for row in volumes.page(connection, tables, Query()):
        assert {name: getattr(row, name) for name in expected[row.id]} == expected[row.id]


def test_a_part_begins_where_it_was_asked_to(stored):
    connection, tables, _ = stored
    whole = volumes.page(connection, tables, Query())
    assert volumes.page(connection, tables, Query(limit=4, offset=3)) == whole[3:7]
    after = Query(marker=whole[5].id, offset=2, limit=3)
    assert volumes.page(connection, tables, after) == whole[8:11]
    assert volumes.page(connection, tables, Query(limit=0)) == []
    assert volumes.page(connection, tables, Query(offset=30)) == whole[30:]


def test_a_marker_that_cannot_be_seen_is_not_found(stored):
    connection, tables, expected = stored
    theirs = next(id for id, row in expected.items() if row["project_id"] == "theirs")
    for marker in (UUID(int=0), theirs):
        with pytest.raises(NotFound):
            volumes.page(connection, tables, Query(project_id="mine", marker=marker))


@pytest.mark.parametrize(
    "query",
    [
        {"sort": [("colour", "asc")]},
        {"sort": [("metadata", "asc")]},
        {"equals": {"colour": ("red",)}},
        {"contains": {"size": "1"}},
        {"contains": {"bootable": "1"}},
    ],
)
def test_keys_that_do_not_exist_are_refused(stored, query):
    connection, tables, _ = stored
    with pytest.raises(InvalidRequest):
        volumes.page(connection, tables, Query(**query))


def test_one_is_found_by_its_project_or_by_all(stored):
    connection, tables, expected = stored
    id, row = next((id, row) for id, row in expected.items() if row["project_id"] == "theirs")
    found = volumes.find(connection, tables, id)
    assert found is not None
    assert found.name == row["name"]
    assert volumes.find(connection, tables, id, "theirs") is not None
    assert volumes.find(connection, tables, id, "mine") is None
    assert volumes.find(connection, tables, UUID(int=0)) is None


def test_a_summary_adds_up(stored):
    connection, tables, expected = stored
    mine = [row for row in expected.values() if row["project_id"] == "mine"]
    summary = volumes.summary(connection, tables, Query(project_id="mine"))
    assert summary.count == len(mine)
    assert summary.size_gib == sum(row["size_gib"] for row in mine)
    assert summary.metadata == {"a": ["1"], "b": ["x"], "q\"'.$": ["%"]}
    nobody = volumes.summary(connection, tables, Query(project_id="nobody"))
    assert (nobody.count, nobody.size_gib, nobody.metadata) == (0, 0, {})


INDEXED = [
    ({}, "_newest"),
    ({"project_id": "p1"}, "_of_project"),
    ({"equals": {"name": ("v7",)}}, "_by_name"),
    ({"equals": {"name": ("v7",)}, "project_id": "p1"}, "_by_name"),
    ({"equals": {"status": ("error",)}}, "_by_status"),
]


@pytest.fixture
def crowded(engine):
    """A connection to a table of 3,000 volumes, and the statements run on it."""
    create_tables(engine)
    lives = [a_volume(f"v{n}", number=n, second=n, project_id=f"p{n % 20}") for n in range(3_000)]
    rows = fold(VOLUMES, [volume.pending[0] for volume in lives])
    pending = Pending()
    pending.puts = rows
    with engine.begin() as connection:
        write(connection, VOLUMES.table(1), pending)
        connection.exec_driver_sql("ANALYZE" if engine.dialect.name == "postgresql" else "SELECT 1")
    with engine.connect() as connection:
        yield connection


@pytest.mark.parametrize(("query", "index"), INDEXED)
@pytest.mark.parametrize("paged", [False, True])
def test_lists_are_read_from_an_index(crowded, query, index, paged):
    statements = []
    tables = {"volumes": VOLUMES.table(1)}
    marker = None
    if paged:
        seen = Query(project_id=query.get("project_id"), limit=1, offset=75)
        marker = volumes.page(crowded, tables, seen)[0].id

    @event.listens_for(crowded, "before_cursor_execute")
    def note(connection, cursor, statement, parameters, context, executemany):
        statements.append((statement, parameters))

    volumes.page(crowded, tables, Query(**query, limit=50, marker=marker))
    statement, parameters = statements[-1]
    explain = "EXPLAIN " if crowded.dialect.name == "postgresql" else "EXPLAIN QUERY PLAN "
    plan = "\n".join(str(row) for row in crowded.exec_driver_sql(explain + statement, parameters))
    assert f"volumes_g1{index}" in plan
