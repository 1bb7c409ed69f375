"""/types/{id}/encryption: how volumes of a type are encrypted (api.md 7)."""

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from domain.encryption import ControlLocation, Encryption
from domain.errors import NotFound
from projections import type_encryptions
from projections.type_encryptions import TypeEncryptionRow
from projections.volume_types import VolumeTypeRow
from services.api import rules, type_view
from services.api.bodies import Name, Words
from services.api.call import Call
from services.api.routing import Route
from services.api.volume_view import time
from services.commands.volume_type import (
    ChangeTypeEncryption,
    EncryptVolumeType,
    RemoveTypeEncryption,
)

KeySize = Annotated[int, Meta(ge=0)] | Annotated[str, Meta(pattern=r"^[0-9]{0,9}$")] | None
"""Bits, as clients write them. Null and the empty string: as the provider likes it."""


class NewEncryption(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How volumes of the type shall be encrypted. An empty cipher means none in particular."""

    provider: Name
    control_location: ControlLocation
    cipher: Words | None = None
    key_size: KeySize = None


class CreateBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /types/{id}/encryption."""

    encryption: NewEncryption


class EncryptionChanges(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change."""

    provider: Name | UnsetType = UNSET
    control_location: ControlLocation | UnsetType = UNSET
    cipher: Words | UnsetType | None = UNSET
    key_size: KeySize | UnsetType = UNSET


class UpdateBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT /types/{id}/encryption/{field}."""

    encryption: EncryptionChanges


class TypeEncryption(msgspec.Struct, kw_only=True):
    """How volumes of a type are encrypted: nothing where they are not. Key size in bits."""

    volume_type_id: str | UnsetType = UNSET
    encryption_id: str | UnsetType = UNSET
    provider: str | UnsetType = UNSET
    control_location: str | UnsetType = UNSET
    cipher: str | UnsetType | None = UNSET
    key_size: int | UnsetType | None = UNSET
    created_at: str | UnsetType = UNSET
    updated_at: str | UnsetType | None = UNSET
    deleted: bool | UnsetType = UNSET
    deleted_at: UnsetType | None = UNSET


class OneEncryption(msgspec.Struct):
    """POST, PUT."""

    encryption: TypeEncryption


async def show(call: Call) -> Response:
    """All of it; nothing where volumes of the type are not encrypted."""
    volume_type = await type_view.named(call)
    call.check(rules.TYPE_ENCRYPTION_GET)
    row = await _find(call, volume_type)
    return call.json(200, TypeEncryption() if row is None else _stored(row))


async def show_field(call: Call) -> Response:
    """One of its fields, or all of it by its id."""
    volume_type = await type_view.named(call)
    call.check(rules.TYPE_ENCRYPTION_GET)
    row = await _named(call, volume_type)
    field = call.part("field")
    if field == str(row.encryption_id):
        return call.json(200, _stored(row))
    return call.json(200, {field: getattr(_stored(row), field)})


async def create(call: Call) -> Response:
    """Encrypts volumes of the type from now on; none must be there yet."""
    volume_type = await type_view.named(call)
    call.check(rules.TYPE_ENCRYPTION_CREATE)
    wish = (await call.body(CreateBody)).encryption
    command = EncryptVolumeType(
        id=volume_type.id,
        encryption_id=call.application.new_id(),
        encryption=Encryption(
            provider=wish.provider,
            control_location=wish.control_location,
            cipher=wish.cipher or None,
            key_size=_bits(wish.key_size),
        ),
        at=call.moment(),
    )
    await call.change_catalogue(command)
    shown = TypeEncryption(
        volume_type_id=str(volume_type.id),
        encryption_id=str(command.encryption_id),
        **msgspec.structs.asdict(command.encryption),
    )
    return call.json(200, OneEncryption(shown))


async def update(call: Call) -> Response:
    """Changes what is given; no volume of the type must be there."""
    volume_type = await type_view.named(call)
    call.check(rules.TYPE_ENCRYPTION_UPDATE)
    wish = (await call.body(UpdateBody)).encryption
    row = await _named(call, volume_type)
    changes: dict[str, Any] = {
        "provider": wish.provider,
        "control_location": wish.control_location,
        "cipher": wish.cipher if wish.cipher is UNSET else wish.cipher or None,
        "key_size": wish.key_size if wish.key_size is UNSET else _bits(wish.key_size),
    }
    await call.change_catalogue(
        ChangeTypeEncryption(id=volume_type.id, at=call.moment(), **changes)
    )
    given = {name: value for name, value in changes.items() if value is not UNSET}
    return call.json(200, OneEncryption(msgspec.structs.replace(_shown(row), **given)))


async def delete(call: Call) -> Response:
    """Volumes of the type are not encrypted any more; none must be there."""
    volume_type = await type_view.named(call)
    call.check(rules.TYPE_ENCRYPTION_DELETE)
    await _named(call, volume_type)
    await call.change_catalogue(RemoveTypeEncryption(id=volume_type.id, at=call.moment()))
    return call.empty(202)


async def _find(call: Call, volume_type: VolumeTypeRow) -> TypeEncryptionRow | None:
    return await call.application.views.read(type_encryptions.find, volume_type.id)


async def _named(call: Call, volume_type: VolumeTypeRow) -> TypeEncryptionRow:
    """The encryption that the path names: by its id, as openstacksdk does, or by any of its
    fields, as cinderclient does. Raises NotFound."""
    row, field = await _find(call, volume_type), call.part("field")
    if row is None or field not in (str(row.encryption_id), *TypeEncryption.__struct_fields__):
        raise NotFound(kind="volume_type_encryption", id=f"{field[:255]} of {volume_type.id}")
    return row


def _shown(row: TypeEncryptionRow) -> TypeEncryption:
    return TypeEncryption(
        volume_type_id=str(row.volume_type_id),
        encryption_id=str(row.encryption_id),
        provider=row.provider,
        control_location=row.control_location,
        cipher=row.cipher,
        key_size=row.key_size,
    )


def _stored(row: TypeEncryptionRow) -> TypeEncryption:
    """With what Cinder shows of its database."""
    return msgspec.structs.replace(
        _shown(row),
        created_at=time(row.created_at),
        updated_at=None if row.updated_at is None else time(row.updated_at),
        deleted=False,
        deleted_at=None,
    )


def _bits(given: int | str | None) -> int | None:
    return None if given is None or given == "" else int(given)


_ALL, _ONE = "/types/{type_id}/encryption", "/types/{type_id}/encryption/{field}"

ROUTES = (
    Route(
        method="GET",
        path=_ALL,
        handler=show,
        summary="Show how volumes of a type are encrypted",
        answer=TypeEncryption,
    ),
    Route(
        method="POST",
        path=_ALL,
        handler=create,
        summary="Encrypt the volumes of a type",
        body=CreateBody,
        answer=OneEncryption,
        refuses=(409, 503),
    ),
    Route(
        method="GET",
        path=_ONE,
        handler=show_field,
        summary="Show one field of how volumes of a type are encrypted",
        answer=dict[str, str | int | bool | None],
    ),
    Route(
        method="PUT",
        path=_ONE,
        handler=update,
        summary="Change how volumes of a type are encrypted",
        body=UpdateBody,
        answer=OneEncryption,
        refuses=(409, 503),
    ),
    Route(
        method="DELETE",
        path=_ONE,
        handler=delete,
        summary="Stop encrypting the volumes of a type",
        status=202,
        refuses=(409, 503),
    ),
)
