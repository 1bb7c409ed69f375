"""The words that users attach to things."""

import pytest

from domain.errors import InvalidRequest
from domain.metadata import MAX_LENGTH, checked_metadata, checked_name

NAMES = [
    (None, None),
    ("", ""),
    ("my volume", "my volume"),
    ("  padded\t\n", "padded"),
    ("ü" * MAX_LENGTH, "ü" * MAX_LENGTH),
    (" " * 300, ""),
    (" " + "x" * MAX_LENGTH + " ", "x" * MAX_LENGTH),
]


@pytest.mark.parametrize(("given", "kept"), NAMES)
def test_a_name_is_kept_without_the_white_space_around_it(given, kept):
    assert checked_name(given, field="name") == kept


BAD_NAMES = [
    ("x" * (MAX_LENGTH + 1), "for field name: at most 255 characters are allowed, 256 were given"),
    ("a\x00b", "for field name: a NUL character is not allowed"),
]


@pytest.mark.parametrize(("given", "reason"), BAD_NAMES)
def test_a_name_that_breaks_a_rule_is_refused_with_field_and_reason(given, reason):
    with pytest.raises(InvalidRequest, match=reason):
        checked_name(given, field="name")


GOOD_METADATA = [
    {},
    {"key": "value"},
    {"key": ""},
    {"a-b_c:d. /9": "any ü value at all"},
    {"k" * MAX_LENGTH: "v" * MAX_LENGTH},
]


@pytest.mark.parametrize("metadata", GOOD_METADATA)
def test_good_metadata_is_taken_as_it_is_and_copied(metadata):
    checked = checked_metadata(metadata)
    assert checked == metadata
    assert checked is not metadata


BAD_METADATA = [
    ({"": "v"}, "Invalid metadata key ''"),
    ({"k" * (MAX_LENGTH + 1): "v"}, "Invalid metadata key 'kkk"),
    ({"ü": "v"}, "Invalid metadata key 'ü'"),
    ({"a\n": "v"}, "Invalid metadata key"),
    ({"a$": "v"}, "Invalid metadata key"),
    ({"a\x00": "v"}, "Invalid metadata key"),
    ({"a": "v" * (MAX_LENGTH + 1)}, "value of 'a': at most 255 characters are allowed, 256 were"),
    ({"a": "\x00"}, "value of 'a': a NUL is not allowed"),
    ({"good": "v", "bad!": "v"}, "'bad!'"),
]


@pytest.mark.parametrize(("metadata", "reason"), BAD_METADATA)
def test_metadata_that_breaks_a_rule_is_refused_with_key_and_reason(metadata, reason):
    with pytest.raises(InvalidRequest, match=reason):
        checked_metadata(metadata)


def test_an_endless_key_is_not_repeated_to_the_user_in_full():
    with pytest.raises(InvalidRequest) as refused:
        checked_metadata({"k" * 100_000: "v"})
    assert len(str(refused.value)) < 300
