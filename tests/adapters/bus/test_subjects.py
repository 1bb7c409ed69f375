"""Subject filters follow the rules of NATS."""

import pytest

from adapters.bus.subjects import collide, matches


@pytest.mark.parametrize(
    ("pattern", "subject", "passes"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.b.c", False),
        ("a.b.c", "a.b", False),
        ("a.*", "a.b", True),
        ("a.*", "a", False),
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.d", False),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        (">", "a", True),
    ],
)
def test_a_subject_passes_a_filter(pattern: str, subject: str, passes: bool) -> None:
    assert matches(pattern, subject) is passes


@pytest.mark.parametrize(
    ("one", "other", "overlap"),
    [
        ("a.b", "a.b", True),
        ("a.b", "a.c", False),
        ("a.*", "a.b", True),
        ("a.*", "a.b.c", False),
        ("a.*.c", "*.b.*", True),
        ("a.>", "a.b.c", True),
        ("a.>", "a", False),
        ("a.>", "b.>", False),
        ("*.b", "a.*", True),
    ],
)
def test_filters_collide_when_a_subject_passes_both(one: str, other: str, overlap: bool) -> None:
    assert collide(one, other) is overlap
    assert collide(other, one) is overlap
