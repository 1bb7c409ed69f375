"""Volume types as they are listed and found."""

from uuid import UUID, uuid5

import pytest

from domain.aggregates.volume_type import VolumeType
from domain.errors import InvalidRequest, NotFound
from projections import VOLUME_TYPES, volume_types
from projections.generations import create_tables
from projections.projection import coalesce, fold
from projections.volume_types import VolumeTypeQuery
from projections.writing import write
from tests.projections.histories import SPACE, at, numbered


def a_type(name, *, second=0, is_public=True, extra_specs=None):
    made = VolumeType.create(
        uuid5(SPACE, f"type {name} {second}"),
        name=name,
        description=None,
        is_public=is_public,
        extra_specs=extra_specs or {},
        at=at(second),
    )
    return made.pending[0]


TYPES = numbered(
    [
        a_type("gold", extra_specs={"ssd": "yes"}),
        a_type("silver", second=1, extra_specs={"ssd": "no"}),
        a_type("secret", second=2, is_public=False, extra_specs={"ssd": "yes", "a": "b"}),
        a_type("gold", second=3),
    ]
)


@pytest.fixture
def ask(engine):
    create_tables(engine)
    table = VOLUME_TYPES.table(1)
    with engine.begin() as connection:
        write(connection, table, coalesce(VOLUME_TYPES, TYPES))
    with engine.connect() as connection:
        tables = {"volume_types": table}

        def ask(query, *args):
            return query(connection, tables, *args)

        yield ask


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, ["gold", "secret", "silver", "gold"]),
        ({"is_public": True}, ["gold", "silver", "gold"]),
        ({"is_public": False}, ["secret"]),
        ({"extra_specs": {"ssd": "yes"}}, ["secret", "gold"]),
        ({"sort": [("name", "asc")], "limit": 3}, ["gold", "gold", "secret"]),
        ({"sort": [("name", "desc")], "offset": 1, "limit": 1}, ["secret"]),
    ],
)
def test_a_page_has_what_was_asked_for(ask, query, expected):
    found = ask(volume_types.page, VolumeTypeQuery(**query))
    assert [row.name for row in found] == expected


def test_rows_are_what_the_fold_says(ask):
    rows = fold(VOLUME_TYPES, TYPES)
    found = ask(volume_types.page, VolumeTypeQuery())
    assert {
        row.id: {name: getattr(row, name) for name in row.__struct_fields__} for row in found
    } == rows


def test_one_is_found_by_id_and_the_oldest_by_name(ask):
    gold = TYPES[0].aggregate_id
    found = ask(volume_types.find, gold)
    assert found is not None
    assert found == ask(volume_types.by_name, "gold")
    assert ask(volume_types.find, UUID(int=0)) is None
    assert ask(volume_types.by_name, "lead") is None


def test_a_page_begins_after_its_marker(ask):
    after = VolumeTypeQuery(marker=TYPES[2].aggregate_id)
    assert [row.name for row in ask(volume_types.page, after)] == ["silver", "gold"]
    with pytest.raises(NotFound):
        ask(volume_types.page, VolumeTypeQuery(marker=UUID(int=0)))


def test_sort_keys_that_do_not_exist_are_refused(ask):
    with pytest.raises(InvalidRequest):
        ask(volume_types.page, VolumeTypeQuery(sort=[("extra_specs", "asc")]))
