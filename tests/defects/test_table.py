"""docs/defects.md lists every defect, and every test of one."""

from tests.defects.table import DEFECTS, PAGE, page, shown_by_number


def test_the_page_says_what_the_tests_are():
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.defects.table"


def test_every_defect_has_tests_or_a_reason_why_not_and_every_test_its_defect():
    known = shown_by_number()
    assert list(DEFECTS) == list(range(1, 26))
    assert known.keys() <= DEFECTS.keys()
    for number, defect in DEFECTS.items():
        assert defect.ours if number in known else defect.absent, number
