"""The catalogue as it is listed and found: volume types, QoS specs, default types."""

from uuid import UUID, uuid5

import pytest

from domain.aggregates.default_type import DefaultType, default_id
from domain.aggregates.qos_specs import QosSpecs
from domain.aggregates.volume_type import VolumeType
from domain.errors import InvalidRequest, NotFound
from projections import (
    DEFAULT_TYPES,
    QOS_SPECS,
    VOLUME_TYPES,
    default_types,
    qos_specs,
    volume_types,
)
from projections.generations import create_tables
from projections.listing import Query
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
    """Types, some of them changed since."""
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


# how the catalogue changes

QOS = UUID(int=0x905)


def a_life(*, deleted: bool):
    """A private type that is changed in every way, its QoS specs, and a project's default."""
    default = DefaultType(id=default_id("p"))
    kind = VolumeType.create(
        UUID(int=1), name="a", description=None, is_public=True, extra_specs={}, at=at(0)
    )
    qos = QosSpecs.create(QOS, name="q", consumer="both", specs={"iops": "1"}, at=at(0))
    kind.rename("b", at(1))
    kind.describe("said later", at(2))
    kind.make_private(at(3))
    kind.change_extra_specs({"k": "v"}, at(4))
    kind.grant_access("p", at(5))
    kind.grant_access("q", at(6))
    kind.revoke_access("q", at(7))
    qos.change({"iops": "2"}, at(8), consumer="front-end")
    kind.associate_qos(QOS, at(9))
    default.choose("p", kind.id, at(9))
    if deleted:
        kind.disassociate_qos(at(10))
        kind.delete(at(11))
        qos.delete(at(12))
        default.unset(at(13))
    return numbered([*kind.pending, *qos.pending, *default.pending])


@pytest.fixture(params=[False, True], ids=["alive", "deleted"])
def catalogue(engine, request):
    """Asks about a catalogue after a life like this, and whether it is over."""
    create_tables(engine)
    projections = (VOLUME_TYPES, QOS_SPECS, DEFAULT_TYPES)
    tables = {projection.name: projection.table(1) for projection in projections}
    with engine.begin() as connection:
        for projection in projections:
            pending = coalesce(projection, a_life(deleted=request.param))
            write(connection, tables[projection.name], pending)
    with engine.connect() as connection:
        yield lambda query, *args: query(connection, tables, *args), request.param


def test_the_catalogue_is_as_it_was_last_said(catalogue):
    ask, over = catalogue
    types = ask(volume_types.page, VolumeTypeQuery())
    qos = ask(qos_specs.page, Query())
    defaults = ask(default_types.every)
    if over:
        assert (types, qos, defaults) == ([], [], [])
        return
    (kind,), (specs,) = types, qos
    assert (kind.name, kind.description, kind.is_public) == ("b", "said later", False)
    assert (kind.extra_specs, list(kind.access), kind.qos_specs_id) == ({"k": "v"}, ["p"], QOS)
    assert (specs.name, specs.consumer, specs.specs) == ("q", "front-end", {"iops": "2"})
    assert ask(volume_types.of_qos, QOS) == [kind]
    assert defaults == [ask(default_types.of_project, "p")]
    assert defaults[0].volume_type_id == kind.id
    assert ask(default_types.of_project, "q") is None


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"is_public": True}, 0),
        ({"is_public": True, "or_accessible_to": "p"}, 1),
        ({"is_public": True, "or_accessible_to": "q"}, 0),
        ({"is_public": False, "or_accessible_to": "q"}, 1),
        ({}, 1),
    ],
)
def test_private_types_are_listed_for_those_with_access(catalogue, query, found):
    ask, over = catalogue
    assert len(ask(volume_types.page, VolumeTypeQuery(**query))) == (0 if over else found)


@pytest.mark.parametrize(
    ("equals", "found"),
    [({"consumer": ["front-end"]}, 1), ({"consumer": ["both"]}, 0), ({"name": ["q", "x"]}, 1)],
)
def test_qos_specs_can_be_filtered(catalogue, equals, found):
    ask, over = catalogue
    assert len(ask(qos_specs.page, Query(equals=equals))) == (0 if over else found)
