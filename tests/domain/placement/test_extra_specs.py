"""Extra specs: every operator, scopes, nested names, lists (scheduler-and-drivers 3)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.placement.extra_specs import matcher, specs_of, unmet

MATCHES = [
    # reported, wanted, whether it is that
    (5, "= 5", True),
    (6, "= 5", True),  # sic
    (4, "= 5", False),
    ("5", "== 5.0", True),
    (5, "== 6", False),
    (5, "!= 6", True),
    (5, "!= 5", False),
    (5, ">= 5", True),
    (5, ">= 6", False),
    (5, "<= 5", True),
    (5, "<= 4", False),
    ("many", ">= 5", False),
    (5, ">= many", False),
    (5, ">=", False),
    (None, ">= 1", False),
    ("abc", "s== abc", True),
    ("abc", "s== abd", False),
    ("abc", "s!= abd", True),
    ("abc", "s!= abc", False),
    ("abc", "s< abd", True),
    ("abc", "s< abc", False),
    ("abc", "s<= abc", True),
    ("abd", "s<= abc", False),
    ("abd", "s> abc", True),
    ("abc", "s> abc", False),
    ("abc", "s>= abc", True),
    ("abb", "s>= abc", False),
    (5, "s== 5", False),
    ("12345", "<in> 234", True),
    ("12345", "<in> 6", False),
    ({"a": 1}, "<in> a", True),
    (5, "<in> 5", True),
    (True, "<is> True", True),
    ("yes", "<is> 1", True),
    (False, "<is> True", False),
    ("false", "<is> False", True),
    ("b", "<or> a <or> b", True),
    ("c", "<or> a <or> b", False),
    ("a", "<or> a", True),
    (None, "<or> a", False),
    ("gold", "gold", True),
    ("gold", "Gold", False),
    ("two words", "two words", True),
    (5, "5", True),
    (True, "True", True),
    (True, "true", True),
    (False, "no", True),
    (True, "maybe", False),
    ("", "", True),
    (None, None, True),
    ("x", None, False),
]


@pytest.mark.parametrize(("reported", "wanted", "expected"), MATCHES)
def test_every_operator_means_what_it_means_to_cinder(reported, wanted, expected):
    assert matcher(wanted)(reported) is expected


CAPABILITIES = {
    "gold": True,
    "qos": {"kind": {"deep": "yes"}, "iops": 500},
    "colours": ["red", "blue"],
    "storage_protocol": "iSCSI",
    "volume_backend_name": "files",
}

SPECS = [
    # key, wanted, words of the refusal (None: met)
    ("gold", "<is> True", None),
    ("capabilities:gold", "<is> True", None),
    ("capabilities:gold", "<is> False", "reports capabilities:gold True, wanted '<is> False'"),
    ("capabilities:qos:iops", ">= 500", None),
    ("capabilities:qos:kind:deep", "yes", None),
    ("capabilities:qos:none:deep", "yes", "does not report capabilities:qos:none:deep"),
    ("capabilities:gold:deeper", "yes", "does not report"),
    ("vendor:anything", "whatever", None),
    ("RESKEY:availability_zones", "mars", None),
    ("missing", "x", "does not report missing, wanted 'x'"),
    ("colours", "blue", None),
    ("colours", "<in> re", None),
    ("colours", "green", "reports colours"),
    ("storage_protocol", "iscsi", None),
    ("storage_protocol", "<or> FC <or> iSCSI", None),
    ("storage_protocol", "FC", "reports storage_protocol 'iSCSI'"),
    ("volume_backend_name", "files", None),
    ("volume_backend_name", "gold", "wanted 'gold'"),
]


@pytest.mark.parametrize(("key", "wanted", "words"), SPECS)
def test_scopes_nested_names_and_lists(key, wanted, words):
    reasons = [unmet(spec, CAPABILITIES) for spec in specs_of({key: wanted})]
    if words is None:
        assert not any(reasons)
    else:
        assert words in (reasons[0] or "")


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), st.text())
def test_whatever_is_reported_and_wanted_there_is_an_answer(reported, wanted):
    assert matcher(wanted)(reported) in (True, False)


@given(st.sampled_from(["=", "==", "!=", ">=", "<="]), st.integers(), st.integers())
def test_numbers_are_compared_as_numbers_however_they_are_written(operator, reported, wanted):
    as_number = matcher(f"{operator} {wanted}")(reported)
    assert matcher(f"{operator} {wanted}.0")(str(reported)) is as_number
