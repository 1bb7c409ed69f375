"""Ids in paths."""

from uuid import UUID

from domain.errors import NotFound
from services.api.call import Call


def named_id(call: Call, kind: str) -> UUID:
    """The id in the path's `<kind>_id`. Raises NotFound for what is none."""
    text = call.part(f"{kind}_id")
    id = as_id(text)
    if id is None:
        raise NotFound(kind=kind, id=text[:255])
    return id


def as_id(text: str) -> UUID | None:
    """The id, if the text is one in its usual form."""
    try:
        return UUID(text) if len(text) == 36 else None
    except ValueError:
        return None
