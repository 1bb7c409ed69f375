"""…/metadata: words that users attach to things (api.md 2 and 4)."""

import hashlib
from collections.abc import Awaitable, Callable
from typing import Any, Protocol
from uuid import UUID

import msgspec
from starlette.responses import Response

from domain.errors import InvalidRequest, NotFound
from services.api import microversions
from services.api.bodies import MetaBody, MetadataBody
from services.api.call import JSON, Call
from services.api.faults import Fault
from services.api.routing import Route

Pairs = dict[str, str]


class AllMetadata(msgspec.Struct):
    """Every key and value."""

    metadata: Pairs


class OneMetadatum(msgspec.Struct):
    """One key and its value."""

    meta: Pairs


class Described(Protocol):
    """What metadata is of, as it is read."""

    @property
    def id(self) -> UUID: ...

    @property
    def project_id(self) -> str: ...

    @property
    def user_id(self) -> str: ...

    @property
    def metadata(self) -> Pairs: ...


class MetadataOf:
    """The metadata of one kind of thing: `named` finds that which the path names, `change` is the
    command that changes it. The rules are those of reading it, adding, replacing and removing.

    With `etags`, answers have them from 3.15 on, and If-Match counts.
    """

    def __init__(
        self,
        kind: str,
        *,
        named: Callable[[Call], Awaitable[Described]],
        change: type,
        rules: tuple[str, str, str, str],
        etags: bool = False,
    ) -> None:
        self._kind, self._named, self._command = kind, named, change
        self._get, self._create, self._update, self._delete = rules
        self._etags = etags

    async def list_all(self, call: Call) -> Response:
        """All."""
        row = await self._found(call, self._get)
        body = _body(row.metadata)
        tagged = self._etags and call.has(microversions.ETAGS)
        headers = {"Etag": f'"{_etag(body)}"'} if tagged else None
        return Response(body, 200, headers, media_type=JSON)

    async def merge(self, call: Call) -> Response:
        """Adds to what is there."""
        given = (await call.body(MetadataBody)).metadata
        row = await self._found(call, self._create)
        return call.json(200, AllMetadata(await self._change(call, row, set=given)))

    async def replace(self, call: Call) -> Response:
        """All there is from now on; with If-Match, where it counts, only if nobody changed it
        meanwhile."""
        given = (await call.body(MetadataBody)).metadata
        row = await self._found(call, self._update)
        self._check_match(call, row)
        changed = await self._change(call, row, set=given, replace=True)
        return call.json(200, AllMetadata(changed))

    async def show(self, call: Call) -> Response:
        """One of them."""
        row = await self._found(call, self._get)
        key = self._key(call, row)
        return call.json(200, OneMetadatum({key: row.metadata[key]}))

    async def put(self, call: Call) -> Response:
        """Sets one of them; If-Match as above."""
        given = (await call.body(MetaBody)).meta
        if call.part("key") not in given:
            raise InvalidRequest("Request body and URI mismatch: the key is not the same.")
        row = await self._found(call, self._update)
        self._check_match(call, row)
        await self._change(call, row, set=given)
        return call.json(200, OneMetadatum(given))

    async def delete(self, call: Call) -> Response:
        """Removes one of them."""
        row = await self._found(call, self._delete)
        await self._change(call, row, remove=(self._key(call, row),))
        return call.empty(200)

    def routes(self, path: str) -> tuple[Route, ...]:
        """Below the path of the thing."""
        refused = (409, 412, 503) if self._etags else (409, 503)
        of = f"the metadata of a {self._kind}"
        all_: dict[str, Any] = {"path": f"{path}/metadata", "variant": self._kind}
        one: dict[str, Any] = {"path": f"{path}/metadata/{{key...}}", "variant": self._kind}
        return (
            Route(
                method="GET",
                handler=self.list_all,
                summary=f"Show {of}",
                answer=AllMetadata,
                **all_,
            ),
            Route(
                method="POST",
                handler=self.merge,
                summary=f"Add metadata to a {self._kind}",
                body=MetadataBody,
                answer=AllMetadata,
                refuses=(409, 503),
                **all_,
            ),
            Route(
                method="PUT",
                handler=self.replace,
                summary=f"Replace {of}",
                body=MetadataBody,
                answer=AllMetadata,
                refuses=refused,
                **all_,
            ),
            Route(
                method="GET",
                handler=self.show,
                summary=f"Show one key of {of}",
                answer=OneMetadatum,
                **one,
            ),
            Route(
                method="PUT",
                handler=self.put,
                summary=f"Set one key of {of}",
                body=MetaBody,
                answer=OneMetadatum,
                refuses=refused,
                **one,
            ),
            Route(
                method="DELETE",
                handler=self.delete,
                summary=f"Remove one key of {of}",
                refuses=(409, 503),
                **one,
            ),
        )

    async def _found(self, call: Call, rule: str) -> Described:
        row = await self._named(call)
        call.check(rule, (row.project_id, row.user_id))
        return row

    def _key(self, call: Call, row: Described) -> str:
        """That which the path names. Raises NotFound."""
        key = call.part("key")
        if key not in row.metadata:
            raise NotFound(kind=f"{self._kind}_metadata", id=key[:255])
        return key

    async def _change(self, call: Call, row: Described, **change: Any) -> Pairs:
        """All metadata after the change."""
        project_id, at = call.visible_project, call.moment()
        command = self._command(id=row.id, project_id=project_id, at=at, **change)
        changed: Pairs = await call.application.execute(command)
        return changed

    def _check_match(self, call: Call, row: Described) -> None:
        """Raises Fault 412 unless If-Match, where given, has the Etag of what is there now."""
        wanted = call.http.headers.get("if-match") if self._etags else None
        if wanted is None or not call.has(microversions.ETAGS):
            return
        tags = {tag.strip().removeprefix("W/").strip('"') for tag in wanted.split(",")}
        if "*" not in tags and _etag(_body(row.metadata)) not in tags:
            raise Fault(412, "The metadata was changed since it was read.")


def _body(metadata: Pairs) -> bytes:
    """Equal metadata is an equal body, whatever order the keys came in."""
    return msgspec.json.encode(AllMetadata(dict(sorted(metadata.items()))))


def _etag(body: bytes) -> str:
    return hashlib.md5(body, usedforsecurity=False).hexdigest()
