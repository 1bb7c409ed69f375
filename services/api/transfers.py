"""/os-volume-transfer and, from 3.55, /volume-transfers: giving volumes to other projects."""

import secrets
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType
from starlette.responses import Response

from domain.errors import InvalidRequest, NotFound
from projections import transfers, volumes
from projections.listing import Query
from projections.transfers import TransferRow
from services.api import lists, microversions, paging, rules
from services.api.bodies import Flag, Words, is_yes
from services.api.call import Call
from services.api.lookup import as_id
from services.api.routing import Route
from services.api.volume_lookup import owner
from services.api.volume_view import Link, linker, time
from services.commands.transfer import AcceptTransfer, OfferVolume, WithdrawTransfer

KEY_BYTES, SALT_BYTES = 8, 8
"""A key is 16 hexadecimal digits, as long as Cinder's."""

SORT_KEYS = frozenset({"id", "name", "volume_id", "created_at"})


class Offer(msgspec.Struct, forbid_unknown_fields=True):
    """A volume to be offered."""

    volume_id: UUID
    name: Words | None = None
    no_snapshots: Flag = False


class OfferBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST."""

    transfer: Offer


class Acceptance(msgspec.Struct, forbid_unknown_fields=True):
    """The key that its owner was told."""

    auth_key: Annotated[str, Meta(min_length=1, max_length=255)]


class AcceptBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST …/accept."""

    accept: Acceptance


class TransferSummary(msgspec.Struct, kw_only=True):
    """A transfer in the short list, and as an answer to who accepted it."""

    id: str
    volume_id: str
    name: str | None
    links: list[Link]


class TransferDetail(TransferSummary, kw_only=True):
    """A transfer. The key is shown only in the answer to who made it."""

    created_at: str
    auth_key: str | UnsetType = UNSET
    no_snapshots: bool | UnsetType = UNSET
    source_project_id: str | UnsetType = UNSET
    destination_project_id: str | UnsetType | None = UNSET
    accepted: bool | UnsetType = UNSET


class OneTransfer(msgspec.Struct):
    """Answers about one."""

    transfer: TransferDetail


class AcceptedTransfer(msgspec.Struct):
    """POST …/accept."""

    transfer: TransferSummary


class TransferList(msgspec.Struct):
    """GET."""

    transfers: list[TransferSummary]
    transfers_links: list[Link] | UnsetType = UNSET


class TransferDetails(msgspec.Struct):
    """GET …/detail."""

    transfers: list[TransferDetail]
    transfers_links: list[Link] | UnsetType = UNSET


async def offer(call: Call) -> Response:
    """Offers a volume; the answer has the key that whoever shall have it needs."""
    wish = (await call.body(OfferBody)).transfer
    row = await call.application.views.read(volumes.find, wish.volume_id, call.visible_project)
    if row is None:
        raise NotFound(kind="volume", id=str(wish.volume_id))
    call.check(rules.TRANSFER_CREATE, owner(row))
    if row.encrypted and not call.has(microversions.ENCRYPTED_TRANSFER):
        raise InvalidRequest(f"Volume {row.id} is encrypted: it is transferred from 3.70 on.")
    if row.encrypted and is_yes(wish.no_snapshots):
        raise InvalidRequest(f"Volume {row.id} is encrypted and shares its key with its snapshots.")
    command = OfferVolume(
        id=call.application.new_id(),
        volume_id=row.id,
        project_id=call.visible_project,
        user_id=call.caller.user_id,
        name=wish.name,
        key=secrets.token_hex(KEY_BYTES),
        salt=secrets.token_hex(SALT_BYTES),
        no_snapshots=is_yes(wish.no_snapshots),
        at=call.moment(),
    )
    await call.application.execute(command)
    shown = _detail(
        call,
        TransferRow(
            id=command.id,
            volume_id=row.id,
            project_id=row.project_id,
            name=command.name,
            no_snapshots=command.no_snapshots,
            created_at=command.at.at,
        ),
    )
    shown.auth_key = command.key
    return call.json(202, OneTransfer(shown))


async def accept(call: Call) -> Response:
    """Takes the volume over, for the caller's project."""
    call.check(rules.TRANSFER_ACCEPT)
    given = (await call.body(AcceptBody)).accept
    row = await _named(call, project_id=None)
    await call.application.execute(
        AcceptTransfer(
            id=row.id,
            key=given.auth_key,
            project_id=call.caller.project_id,
            user_id=call.caller.user_id,
            at=call.moment(),
        )
    )
    return call.json(202, AcceptedTransfer(_summary(call, row)))


async def withdraw(call: Call) -> Response:
    """Offers it no more."""
    row = await _named(call, project_id=call.visible_project)
    call.check(rules.TRANSFER_DELETE, (row.project_id, ""))
    await call.application.execute(
        WithdrawTransfer(id=row.id, project_id=call.visible_project, at=call.moment())
    )
    return call.empty(202)


async def show(call: Call) -> Response:
    """One."""
    row = await _named(call, project_id=call.visible_project)
    call.check(rules.TRANSFER_GET, (row.project_id, ""))
    return call.json(200, OneTransfer(_detail(call, row)))


async def list_brief(call: Call) -> Response:
    """Ids and names."""
    rows, links = await _page(call)
    return call.json(200, TransferList([_summary(call, row) for row in rows], links))


async def list_detail(call: Call) -> Response:
    """All there is to know."""
    rows, links = await _page(call)
    return call.json(200, TransferDetails([_detail(call, row) for row in rows], links))


async def _page(call: Call) -> tuple[list[TransferRow], list[Link] | UnsetType]:
    """The caller's, oldest first; in pages and in another order from 3.59."""
    call.check(rules.TRANSFER_GET_ALL)
    views = call.application.views
    query = Query(project_id=lists.project_of(call), sort=[("created_at", "asc")])
    if not call.has(microversions.TRANSFER_PAGING):
        return await views.read(transfers.page, query), UNSET
    part = paging.wanted(call, sort_keys=SORT_KEYS)
    query = msgspec.structs.replace(
        query,
        equals={"name": [call.query["name"]]} if "name" in call.query else {},
        sort=part.sort,
        marker=paging.marker_id(part, kind="transfer"),
        limit=part.limit,
        offset=part.offset,
    )
    rows = await views.read(transfers.page, query) if part.limit else []
    links = paging.links(call, part, [str(row.id) for row in rows])
    return rows, [Link(**link) for link in links] if links else UNSET


async def _named(call: Call, *, project_id: str | None) -> TransferRow:
    """The one of the path. Raises NotFound."""
    text = call.part("transfer_id")
    id = as_id(text)
    views = call.application.views
    row = None if id is None else await views.read(transfers.find, id, project_id)
    if row is None:
        raise NotFound(kind="transfer", id=text[:255])
    return row


def _collection(call: Call) -> str:
    return "volume-transfers" if "/volume-transfers" in call.http.url.path else "os-volume-transfer"


def _summary(call: Call, row: TransferRow) -> TransferSummary:
    return TransferSummary(**_known(call, row))


def _known(call: Call, row: TransferRow) -> dict[str, Any]:
    links = linker(call, _collection(call))(str(row.id))
    return {"id": str(row.id), "volume_id": str(row.volume_id), "name": row.name, "links": links}


def _detail(call: Call, row: TransferRow) -> TransferDetail:
    detail = TransferDetail(created_at=time(row.created_at), **_known(call, row))
    if call.has(microversions.TRANSFER_SNAPSHOTS):
        detail.no_snapshots = row.no_snapshots
    if call.has(microversions.TRANSFER_HISTORY):
        detail.source_project_id, detail.destination_project_id = row.project_id, None
        detail.accepted = False
    return detail


def _routes(path: str, since: int, variant: str = "") -> tuple[Route, ...]:
    one = path + "/{transfer_id}"
    listed: dict[str, Any] = {
        "since": since,
        "variant": variant,
        "query": (
            *paging.PARAMETERS,
            lists.ALL_TENANTS,
        ),
        "refuses": (404,),
    }
    changes: dict[str, Any] = {"since": since, "variant": variant, "status": 202}
    return (
        Route(
            method="POST",
            path=path,
            handler=offer,
            summary="Offer a volume to another project",
            body=OfferBody,
            answer=OneTransfer,
            refuses=(404, 409, 503),
            **changes,
        ),
        Route(
            method="GET",
            path=path,
            handler=list_brief,
            summary="List transfers",
            answer=TransferList,
            **listed,
        ),
        Route(
            method="GET",
            path=path + "/detail",
            handler=list_detail,
            summary="List transfers with details",
            answer=TransferDetails,
            **listed,
        ),
        Route(
            method="GET",
            path=one,
            handler=show,
            summary="Show a transfer",
            answer=OneTransfer,
            since=since,
            variant=variant,
        ),
        Route(
            method="DELETE",
            path=one,
            handler=withdraw,
            summary="Withdraw a transfer",
            refuses=(409, 503),
            **changes,
        ),
        Route(
            method="POST",
            path=one + "/accept",
            handler=accept,
            summary="Accept a transfer",
            body=AcceptBody,
            answer=AcceptedTransfer,
            refuses=(409, 413, 503),
            **changes,
        ),
    )


ROUTES = (
    *_routes("/os-volume-transfer", microversions.LOWEST, "old"),
    *_routes("/volume-transfers", microversions.TRANSFER_SNAPSHOTS),
)
