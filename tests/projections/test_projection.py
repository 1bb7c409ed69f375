"""Changes: what several of them mean for one row."""

from uuid import UUID

import pytest

from domain.aggregates import volume
from projections.projection import (
    Change,
    Drop,
    Patch,
    Pending,
    Poisonous,
    Projection,
    Put,
    coalesce,
    fold,
)
from projections.volumes import VOLUMES
from tests.projections.histories import a_volume, log_of

A, B = UUID(int=1), UUID(int=2)


def pending(
    *changes: Change,
) -> tuple[dict[UUID, object], dict[UUID, object], set[UUID]]:
    collected = Pending()
    for change in changes:
        collected.add(change)
    return dict(collected.puts), dict(collected.patches), collected.drops


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ([Put(A, {"x": 1})], ({A: {"x": 1}}, {}, set())),
        ([Put(A, {"x": 1, "y": 1}), Patch(A, {"y": 2})], ({A: {"x": 1, "y": 2}}, {}, set())),
        ([Patch(A, {"x": 1}), Patch(A, {"y": 2})], ({}, {A: {"x": 1, "y": 2}}, set())),
        ([Patch(A, {"x": 1}), Put(A, {"x": 3})], ({A: {"x": 3}}, {}, set())),
        ([Put(A, {"x": 1}), Drop(A)], ({}, {}, {A})),
        ([Patch(A, {"x": 1}), Drop(A)], ({}, {}, {A})),
        ([Drop(A), Patch(A, {"x": 1})], ({}, {}, {A})),
        ([Drop(A), Put(A, {"x": 1})], ({A: {"x": 1}}, {}, set())),
        ([Put(A, {"x": 1}), Drop(B)], ({A: {"x": 1}}, {}, {B})),
    ],
)
def test_changes_of_one_row_become_one(changes, expected):
    assert pending(*changes) == expected


def test_coalescing_leaves_the_changes_as_they_are():
    put = Put(A, {"x": 1})
    pending(put, Patch(A, {"x": 2}))
    assert put.row == {"x": 1}


def test_an_event_that_nobody_folds_changes_nothing():
    lonely = Projection("lonely", version=1, build=VOLUMES._build)
    assert fold(lonely, log_of(a_volume())) == {}


def test_a_fold_that_fails_names_its_event():
    broken = Projection("broken", version=1, build=VOLUMES._build)

    @broken.projects(volume.Requested)
    def requested(recorded):
        raise KeyError("oops")

    with pytest.raises(Poisonous, match=r"event 1 \(volume\.requested\.v2, .*KeyError"):
        coalesce(broken, log_of(a_volume()))


def test_an_event_cannot_be_folded_twice():
    with pytest.raises(ValueError, match=r"volumes folds volume\.placed twice"):
        VOLUMES.projects(volume.Placed)(lambda recorded: None)
