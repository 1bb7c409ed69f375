"""/volumes/{id}/encryption: how a volume is encrypted (api.md 2)."""

import msgspec
from msgspec import UNSET, UnsetType
from starlette.responses import Response

from domain.errors import NotFound
from projections.volumes import VolumeRow
from services.api import rules, volume_lookup
from services.api.call import Call
from services.api.routing import Route


class VolumeEncryption(msgspec.Struct, kw_only=True):
    """How a volume is encrypted, as its type said when it was created. Key size in bits.

    Of one that is not encrypted there is only the key id, which is null; so it is while the key
    is being made.
    """

    encryption_key_id: str | None
    control_location: str | UnsetType = UNSET
    cipher: str | UnsetType | None = UNSET
    key_size: int | UnsetType | None = UNSET
    provider: str | UnsetType = UNSET


async def show(call: Call) -> Response:
    """All of it."""
    return call.json(200, _shown(await _named(call)))


async def show_field(call: Call) -> Response:
    """One of the fields, bare."""
    shown, field = _shown(await _named(call)), call.part("field")
    value = getattr(shown, field, UNSET) if field in shown.__struct_fields__ else UNSET
    if value is UNSET:
        raise NotFound(kind="volume_encryption_field", id=field[:255])
    return call.json(200, value)


async def _named(call: Call) -> VolumeRow:
    row = await volume_lookup.named(call)
    call.check(rules.ENCRYPTION, volume_lookup.owner(row))
    return row


def _shown(row: VolumeRow) -> VolumeEncryption:
    said = row.encryption
    if said is None:
        return VolumeEncryption(encryption_key_id=None)
    return VolumeEncryption(
        encryption_key_id=row.encryption_key_id,
        control_location=said["control_location"],
        cipher=said.get("cipher"),
        key_size=int(said["key_size"]) if "key_size" in said else None,
        provider=said["provider"],
    )


ROUTES = (
    Route(
        method="GET",
        path="/volumes/{volume_id}/encryption",
        handler=show,
        summary="Show how a volume is encrypted",
        answer=VolumeEncryption,
    ),
    Route(
        method="GET",
        path="/volumes/{volume_id}/encryption/{field}",
        handler=show_field,
        summary="Show one field of how a volume is encrypted",
        answer=str | int | None,
    ),
)
