"""The catalogue of events: meaning, fields, subject and an example of each."""

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from domain.aggregates import AGGREGATES
from domain.event import Event, event_types
from services.docs.pages import Page, code, table

_HEADING = """\
# Events

Every fact that Lapilli records, in the words of those who run storage. Names and versions are
stable: a changed event is a new version, and older ones are read for ever.
"""

_ENVELOPE = """\
## Envelope

Subscribers receive events from the JetStream stream as [CloudEvents](https://cloudevents.io), on
the subject `lapilli.<aggregate>.<event>.<backend or _>.<aggregate id>`. `data` holds the fields
listed here; fields that have their default are left out. The attributes around it:"""

_ATTRIBUTES = (
    ("id", "position in the log, from 1, without gaps; also the message's de-duplication id"),
    ("type", "type name, `volume.placed`"),
    ("schemaversion", "version of the type"),
    ("subject", "id of the aggregate"),
    ("aggregateversion", "version of the aggregate after this event, from 1"),
    ("time", "when it was decided (UTC)"),
    ("requestid", "the API request at the beginning of the chain"),
    ("userid, projectid", "on whose behalf; `system:…` where a part of Lapilli acts"),
    ("causationid", "`<aggregate id>:<version>` of the event that this one follows from"),
)

MEANINGS: Mapping[str, str] = {
    "added_gib": "what is added to it, in GiB",
    "algorithm": "the cipher's, as key managers call it",
    "amounts": "by resource: GiB or numbers, per volume type too (`gigabytes_<type id>`)",
    "attempt": "number of the attempt, by which its outcome is told; counts up for each volume",
    "attach_status": "what all attachments make of the volume from then on, in Cinder's words",
    "attachment_id": "the attachment",
    "availability_zone": "availability zone",
    "backup_id": "the backup",
    "bits": "the key's length",
    "bootable": "whether a server can boot from it",
    "binary": "the program, `cinder-volume` where it keeps volumes",
    "candidates": "every pool that was considered",
    "ceiling_gib": "how much the pool may promise in all, in GiB; null: without end",
    "changed": "names of the limits that this event changed",
    "chosen": "the pool that was chosen, if any",
    "closed": "by `host@backend`: all that are closed, and how",
    "connection": "how the node reaches the volume: Cinder's connection_info",
    "connector": "what was said of the node",
    "container": "the container of the store that it is kept in",
    "content_at": "when its volume held what it holds (UTC)",
    "consumed": "in use and reserved before the request",
    "consumer": "who enforces them: `front-end`, `back-end` or `both`",
    "deadline": "when it expires unless the log says what became of its operation (UTC)",
    "decision": "which pools were considered, and why the others were refused",
    "description": "description given by the user",
    "destination_project_id": "the project that has it from then on",
    "destination_user_id": "the user who accepted it",
    "device": "as what the server or node sees it",
    "done_bytes": "how many bytes of the image have come",
    "encryption": "provider, control location, cipher and key size, in Cinder's words",
    "encryption_id": "of the encryption of the type",
    "encryption_key_id": "the key's id in the key manager",
    "extra_specs": "what backends have to offer for volumes of this type",
    "failure": "`<aggregate id>:<version>` of the event that the message is about",
    "from_host": "`host@backend#pool` where it was until then",
    "forced": "whether the user insisted",
    "formerly": "what it was called before",
    "host": "`host@backend#pool`",
    "image": "the image, as its service described it then",
    "image_id": "the image that it becomes",
    "image_metadata": "all that is known of the image on it, from then on",
    "host_copy": "whether every block has to be copied, whatever the backend could do",
    "is_public": "whether every project may use it",
    "key": "the key by which what it holds can be read then; null: that is not encrypted",
    "key_digest": "HMAC-SHA-256 of the key that opens it",
    "key_id": "the key's id in the key manager; null: none was ever recorded",
    "largest_gib": "size of the largest volume asked for, in GiB",
    "left_number": "of which placement something may be left, counted from 1",
    "limit": "what is allowed",
    "limits": "all own limits, by resource; -1 is unlimited",
    "may_stay": "whether its own pool may keep it",
    "metadata": "all metadata from then on",
    "migration_failed": "whether it was on its way to another pool",
    "migration_policy": "whether it may go elsewhere for that: `never` or `on-demand`",
    "mode": "whether it is written to, `rw`, or read only, `ro`; null: as the connector says",
    "most": "how many backends may try, should they fail",
    "move_id": "the move that carries it out",
    "multiattach": "whether it can be attached more than once from then on",
    "name": "name given by the user",
    "new_size_gib": "the size wanted, in GiB",
    "no_snapshots": "whether its snapshots stay where they are",
    "node": "the node that has it",
    "number": "which placement of the volume it is, counted from 1",
    "old_project_id": "the project that had it until then",
    "old_size_gib": "the size until then, in GiB",
    "old_volume_type_id": "its volume type until then",
    "object_count": "how many objects the store keeps for it alone",
    "only": "the one pool or backend that may take it; null: any",
    "overs": "every resource that the request was over by",
    "owner": "the id of the volume, of the backup that is made or restored, or of the image",
    "owner_kind": "what the key is for: `volume`, `backup`, `restore` (of one) or `image`",
    "parent": "the backup that it goes on from; null: it is a full one",
    "percent": "how much of the volume has been read and stored",
    "passing": "whether nothing of the attachment is to stay should that fail",
    "pool": "`host@backend#pool`",
    "problem": "what kept the image from the volume: `unacceptable`, `no_room` or `not_copied`",
    "project_id": "the project that it belongs to",
    "projects": "every project that has access from then on",
    "promised_gib": "what its pool had promised for it, in GiB",
    "provider_id": "the backend's own identifier, where it has one",
    "qos_specs_id": "the QoS specs",
    "readonly": "whether it may only be attached for reading",
    "reason": "why, for a person",
    "refused_by": "the filter that refused it",
    "requested": "what was asked for",
    "reservation_id": "the quota reservation that pays for it",
    "resource": "what is limited: `volumes`, `gigabytes`…",
    "salt": "what the digest is salted with",
    "server_id": "the server that has it, or is to",
    "size_gib": "size in GiB",
    "source": "what it is made from",
    "snapshot_id": "the snapshot that it is read from; null: the volume itself",
    "stored_bytes": "length of these objects",
    "kept": "whether it does; false: it never will",
    "may_change": "whether it may hold something else from now on; false: it is only given up",
    "source_id": "what it was to be made from",
    "specs": "all keys from then on",
    "subject_kind": "what that thing is: `volume`…",
    "subject": "id of the thing that is paid for",
    "transfer_id": "the transfer by which it is offered",
    "total_bytes": "how many there are; null: nobody said",
    "to": "`host@backend`, or that with `#pool`",
    "tried": "every pool that the volume was placed on, and what its backend said",
    "user_id": "the user who asked",
    "volume_id": "the volume that it is of",
    "volume_type_id": "its volume type",
    "weight": "its weight among those that fit",
    "worker": "the process that claimed the work",
    "zones": "availability zones where it may be; empty: anywhere",
    "zone": "availability zone",
}
"""Meanings of fields that say no more where they are declared."""


def page(examples: Path) -> Page:
    """The catalogue. `examples` has a stored event per version, as `<type>.v<version>.json`."""
    lines = [_ENVELOPE, ""]
    lines += table(("attribute", "meaning"), ((code(name), text) for name, text in _ATTRIBUTES))
    parts: dict[str, type[msgspec.Struct]] = {}
    for kind in AGGREGATES:
        lines += ["", f"## {kind}", ""]
        own = [cls for cls in event_types().values() if cls.kind == kind]
        lines += [f"- [`{cls.type_name}`](#{_anchor(cls.type_name)}) {_doc(cls)}" for cls in own]
        for cls in own:
            lines += _event(cls, examples)
            parts.update(_parts_of(cls))
    lines += ["", "## Parts", ""]
    for name, part in sorted(parts.items()):
        lines += [f"### {name}", "", _doc(part), "", *fields(part), ""]
    return Page("events.md", "\n".join(lines), _HEADING)


def _event(cls: type[Event], examples: Path) -> Iterator[str]:
    yield from ("", f"### {cls.type_name}", "", _doc(cls), "")
    backend = "<backend or _>" if "host" in cls.__struct_fields__ else "_"
    yield f"Version {cls.schema_version}, on `lapilli.{cls.type_name}.{backend}.<{cls.kind} id>`."
    yield ""
    if cls.__struct_fields__:
        yield from fields(cls)
    example = _example(examples / f"{cls.topic}.json")
    if example:
        yield from ("", "```json", *example.splitlines(), "```")


def fields(cls: type[msgspec.Struct]) -> Iterator[str]:
    """The table of a struct's fields."""
    said, hints = meanings(cls), get_type_hints(cls, include_extras=True)
    yield from table(
        ("field", "type", "meaning"),
        (
            (code(f.encode_name), code(type_words(hints[f.name])), said.get(f.name, ""))
            for f in msgspec.structs.fields(cls)
        ),
    )


def type_words(hint: Any) -> str:
    """A type as it is written."""
    if get_origin(hint) is Annotated:
        return type_words(get_args(hint)[0])
    if hint is type(None):
        return "None"
    if isinstance(hint, type) and not get_args(hint):
        return hint.__name__
    arguments = [type_words(each) for each in get_args(hint) if each is not msgspec.UnsetType]
    origin = get_origin(hint)
    if isinstance(origin, type) and origin.__module__ == "builtins":
        return f"{origin.__name__}[{', '.join(arguments)}]"
    return " | ".join(arguments) if arguments else str(hint)


def meanings(cls: type[msgspec.Struct]) -> dict[str, str]:
    """The meaning of each field: from where it is declared, else by its name."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    assert isinstance(tree, ast.ClassDef)
    own = {
        before.target.id: after.value.value
        for before, after in zip(tree.body, tree.body[1:], strict=False)
        if isinstance(before, ast.AnnAssign)
        and isinstance(before.target, ast.Name)
        and isinstance(after, ast.Expr)
        and isinstance(after.value, ast.Constant)
        and isinstance(after.value.value, str)
    }
    return {name: own.get(name) or MEANINGS.get(name, "") for name in cls.__struct_fields__}


def _parts_of(cls: type[msgspec.Struct]) -> dict[str, type[msgspec.Struct]]:
    """The structs within the fields of a struct, by name."""
    found: dict[str, type[msgspec.Struct]] = {}
    waiting: list[Any] = list(get_type_hints(cls).values())
    while waiting:
        hint = waiting.pop()
        if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
            if hint.__name__ not in found:
                found[hint.__name__] = hint
                waiting += get_type_hints(hint).values()
        else:
            waiting += get_args(hint)
    return found


def _example(path: Path) -> str:
    """The data of a stored event; empty if there is none."""
    try:
        stored = msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return ""
    return msgspec.json.format(msgspec.json.encode(stored["data"]), indent=2).decode()


def _doc(cls: type) -> str:
    return " ".join((inspect.getdoc(cls) or "").split())


def _anchor(heading: str) -> str:
    return heading.replace(".", "")


def undescribed() -> Sequence[str]:
    """The fields that nothing says the meaning of, as `type.field`."""
    return [
        f"{cls.type_name}.{name}"
        for cls in event_types().values()
        if cls.kind in AGGREGATES
        for name, meaning in meanings(cls).items()
        if not meaning
    ]
