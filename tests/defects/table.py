"""Cinder's known defects by number, what is done instead, and the tests that show it.

`python -m tests.defects.table` writes docs/defects.md anew.
"""

import ast
import re
from collections import defaultdict
from pathlib import Path

import msgspec

from services.docs.pages import code, table

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/defects.md"
NAME = re.compile(r"test_defect_(\d\d)_\w+")


class Defect(msgspec.Struct, frozen=True):
    """What goes wrong in Cinder, and what is done here."""

    cinder: str
    ours: str
    absent: str = ""
    """Why there is no test, where there is none: what it is about is not built."""


NO_GROUPS = "no groups yet"
NO_MANAGING = "no managing of existing volumes yet"

DEFECTS: dict[int, Defect] = {
    1: Defect(
        "what a request was judged by (a source, a type) may have changed when it is used",
        "an append names the version of everything it was decided by, and is refused if one of"
        " them has moved on; then it is decided again",
    ),
    2: Defect(
        "a process that dies between reserving and committing quota leaks it for a day, or for"
        " ever; what is committed after its expiry is not counted",
        "quota is reserved in the append that creates what it pays for and settled in the append"
        " that decides its fate; what is left open is settled by what the log says",
    ),
    3: Defect(
        "steps hand on database objects, so that no other process can go on with a flow",
        "facts are plain values in events, from which any process resumes",
    ),
    4: Defect(
        "a volume may vanish while it is being created",
        "deletion of a volume that is being made cancels it: a state of its own, after which the"
        " deletion follows",
    ),
    5: Defect(
        "when recording a success fails that is only logged: the volume is creating for ever",
        "the success is an event, told again until it is recorded, and counted once",
    ),
    6: Defect(
        "a reschedule that gets lost leaves a volume creating, on no backend",
        "the reschedule is an event of the volume, from which placement goes on whoever died",
    ),
    7: Defect(
        "failed creations leave objects on backends",
        "what an attempt may have left is a remnant in the log, removed until it is gone; the last"
        " attempt's is removed at once, or else goes with its volume",
    ),
    8: Defect(
        "members of a group are marked deleting before the deletion of the group may be refused",
        "",
        NO_GROUPS,
    ),
    9: Defect(
        "a creation whose cast fails stays creating, and its quota is given back twice",
        "there is no cast: what is stored is the request, and placement follows the log",
    ),
    10: Defect(
        "putting back a source's status is dead code; others are put back from one remembered"
        " status",
        "what is under way is a second state beside the volume's own, so that nothing has to be"
        " put back",
    ),
    11: Defect("managing that fails leaves a row, and one volume of quota", "", NO_MANAGING),
    12: Defect("managing a snapshot that fails gives back wrong amounts", "", NO_MANAGING),
    13: Defect(
        "a retype that is refused leaves a negative reservation; multiattach is switched before"
        " the retype",
        "quota of both types is settled with the outcome, and what a retype changes changes with"
        " its success",
    ),
    14: Defect(
        "an extension that the driver cannot begin keeps its quota and its capacity",
        "quota and room of an extension are given back with its failure, in the same append",
    ),
    15: Defect(
        "a revert that is refused leaves the volume reverting",
        "volume and snapshot begin in one append, after all that may refuse it",
    ),
    16: Defect("groups that cannot be created keep quota, or look available", "", NO_GROUPS),
    17: Defect("members that are gone keep rows and quota when another fails", "", NO_GROUPS),
    18: Defect(
        "two racing backups of a volume both pass; the API waits for the volume that a restore is"
        " to make",
        "volume and backup begin in one append, at their versions: one of two passes; a restore"
        " into a new volume is its creation, which goes on whoever died",
    ),
    19: Defect(
        "encryption keys leak when a creation fails, and go before the volume does",
        "a key is told of before it is made, and destroyed when its volume is gone, not before",
    ),
    20: Defect(
        "an attachment that fails leaves the volume reserved; readonly False is taken for true",
        "what was reserved for an attachment is given up with its failure",
    ),
    21: Defect(
        "statuses of work under way outlive the process that did it",
        "work under way is in the log: it is taken over, or given up when its time is up",
    ),
    22: Defect(
        "volumes in error hold quota, and nobody can tell why they failed",
        "they hold it until they are deleted, as clients expect, and say why: every backend that"
        " was considered, every attempt and its reason",
    ),
    23: Defect(
        "only a lock keeps a volume from being deleted while something is made from it",
        "what is under way on a volume refuses its deletion, and the other way round: one wins;"
        " what is copied is claimed in the append that asks for the copy, until that is made",
    ),
    24: Defect(
        "a missing comma lets administrators set statuses that nobody will ever end",
        "only statuses that are ends can be set; what was under way is given up with that",
    ),
    25: Defect(
        "the last writer wins: an end of creation overwrites a deletion",
        "every event follows the version that it was decided on, or it is decided again",
    ),
}


def shown_by_number() -> dict[int, list[str]]:
    """The names of the tests of each defect, as the sources under tests/ have them."""
    found: defaultdict[int, set[str]] = defaultdict(set)
    for path in (ROOT / "tests").rglob("test_*.py"):
        source = path.read_text(encoding="utf-8")
        if not NAME.search(source):
            continue  # most have none, and parsing takes its time
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef) and (
                match := NAME.fullmatch(node.name)
            ):
                found[int(match[1])].add(node.name)
    return {number: sorted(names) for number, names in sorted(found.items())}


HEADING = """\
# Cinder's defects, and what happens here

What reading Cinder's code finds, and its own comments admit. Each has a test that fails on Cinder's
behaviour; where that is not obvious, the test runs the same check on a few lines that do it
Cinder's way, and sees it fail. Written by `python -m tests.defects.table`.

"""


def page() -> str:
    """docs/defects.md as it has to be."""
    known = shown_by_number()
    rows = (
        (
            str(number),
            defect.cinder,
            defect.ours if number in known else defect.absent,
            "<br>".join(code(name) for name in known.get(number, ())),
        )
        for number, defect in DEFECTS.items()
    )
    return HEADING + "\n".join(table(("", "In Cinder", "Here", "Tests"), rows)) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
