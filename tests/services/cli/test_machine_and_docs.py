"""machine and docs: lifecycles as text and drawings, and pages that follow the code."""

import json
from pathlib import Path

import pytest

from domain.machines import LIFECYCLES
from services.docs import events
from services.docs.pages import BEGIN, END, Page, stale, write

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests/domain/golden"


def test_without_a_name_the_lifecycles_are_listed(invoke):
    result = invoke("machine")
    assert result.exit_code == 0
    assert all(name in result.output for name in LIFECYCLES)


@pytest.mark.parametrize("name", LIFECYCLES)
@pytest.mark.parametrize(
    ("format_", "begins"),
    [("mermaid", "stateDiagram-v2\n"), ("dot", "digraph "), ("svg", "<svg "), ("table", "")],
)
def test_every_lifecycle_in_every_format(invoke, name, format_, begins):
    result = invoke("machine", name, "--format", format_)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(begins)
    events_shown = result.output
    assert all(event in events_shown for event in LIFECYCLES[name].events)


def test_a_machine_for_programs(invoke):
    told = json.loads(invoke("machine", "default_type", "--json").output)
    chosen = [
        {"event": "chosen", "from": state, "to": "chosen"} for state in ("new", "chosen", "none")
    ]
    assert told == {
        "name": "default_type",
        "states": ["new", "chosen", "none"],
        "final": [],
        "transitions": [*chosen, {"event": "unset", "from": "chosen", "to": "none"}],
    }
    assert json.loads(invoke("machine", "--json").output).keys() == LIFECYCLES.keys()


def test_an_unknown_machine_is_refused(invoke):
    assert invoke("machine", "tape").exit_code == 2


def test_the_reference_pages_say_what_the_code_says(invoke):
    result = invoke("docs", "--check", "--directory", ROOT / "docs", "--examples", GOLDEN)
    assert result.exit_code == 0, f"{result.output}\nrun: lapilli docs --write"


def test_stale_pages_are_named_and_written(invoke, tmp_path):
    options = ("--directory", tmp_path, "--examples", GOLDEN)
    assert invoke("docs", "--check", *options).exit_code == 1
    assert invoke("docs", "--write", *options).exit_code == 0
    assert invoke("docs", "--check", *options).exit_code == 0
    cli = tmp_path / "cli.md"
    cli.write_text(cli.read_text().replace("lapilli verify", "lapilli prove"))
    result = invoke("docs", "--check", *options)
    assert result.exit_code == 1
    assert result.stdout == f"stale: {cli}\n"
    assert invoke("docs", "--write", *options).stdout == f"wrote {cli}\n"
    assert invoke("docs", "--check", *options).exit_code == 0


def test_docs_are_told_what_to_do_and_where(invoke, tmp_path):
    assert invoke("docs").exit_code == 2
    elsewhere = invoke("docs", "--check", "--examples", tmp_path / "none")
    assert "in a checkout" in elsewhere.output


def test_words_around_what_is_generated_stay(tmp_path):
    page = Page("a.md", "one\n", "# A")
    write([page], tmp_path)
    path = tmp_path / "a.md"
    assert path.read_text() == f"# A\n\n{BEGIN}\n\none\n\n{END}\n"
    path.write_text(f"# Mine\n\n{BEGIN}\nold\n{END}\n\nAnd more.\n")
    assert stale([page], tmp_path) == ["a.md"]
    write([page], tmp_path)
    assert path.read_text() == f"# Mine\n\n{BEGIN}\n\none\n\n{END}\n\nAnd more.\n"


def test_every_field_of_every_event_has_a_meaning():
    assert events.undescribed() == []


@pytest.mark.parametrize(
    ("hint", "words"),
    [
        (str, "str"),
        (int | None, "int | None"),
        (dict[str, int], "dict[str, int]"),
        (list[dict[str, str | None]], "list[dict[str, str | None]]"),
    ],
)
def test_types_read_as_they_are_written(hint, words):
    assert events.type_words(hint) == words


def test_help_is_quick_because_imports_are_lazy():
    import subprocess
    import sys

    script = (
        "import sys; from services.cli import main\n"
        "heavy = {'sqlalchemy', 'nats', 'rich', 'grandalf', 'starlette', 'eventsourcing'}\n"
        "print(sorted(heavy & sys.modules.keys()))"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, cwd=ROOT, check=True)
    assert ran.stdout.decode().strip() in ("[]", "['rich']")
