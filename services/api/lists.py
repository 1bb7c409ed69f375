"""Lists of things that projects own: from the query to the rows (api.md 1)."""

from collections.abc import Callable, Mapping
from typing import Any, Generic

from projections.listing import Listing, Query, Row
from services.api import filters, microversions, paging
from services.api.call import Call
from services.api.routing import Parameter
from services.api.volume_view import Link

_NOTHING: Mapping[str, Any] = {}
_NONE: tuple[Any, ...] = ()

NEVER = microversions.HIGHEST + 1

ALL_TENANTS = Parameter(filters.ALL_TENANTS, "Of all projects (administrators)", bool)


class Listed(Generic[Row]):
    """One kind of things as callers list it. All names are Cinder's.

    `words` are filters by text, of which a part is enough for `name~`, `ids` those that have to be
    equal; `flags` are true or false, what is neither being refused from the microversion given.
    `pairs` are the columns of filters by pairs. Below the microversion given a sort key is refused.
    """

    def __init__(
        self,
        rows: Listing[Row],
        kind: str,
        rule: str,
        *,
        sorts: Mapping[str, int],
        words: frozenset[str],
        ids: frozenset[str],
        numbers: frozenset[str] = frozenset(),
        flags: Mapping[str, int] = _NOTHING,
        times: frozenset[str] = frozenset(),
        pairs: Mapping[str, str] = _NOTHING,
    ) -> None:
        self._rows, self._kind, self._rule, self._sorts = rows, kind, rule, sorts
        self._words, self._flags, self._times, self._pairs = words, flags, times, pairs
        self._read: Mapping[str, Callable[[str], Any]] = {
            **dict.fromkeys(words | ids, str),
            **dict.fromkeys(numbers, filters.number),
        }

    async def page(self, call: Call) -> tuple[list[Row], list[Link], int | None]:
        """The rows that the query asks for, the link to the next page, and the count if wanted.

        Raises InvalidRequest, Forbidden, NotFound (marker).
        """
        call.check(self._rule)
        sorts = [key for key, since in self._sorts.items() if call.has(since)]
        part = paging.wanted(call, sort_keys=sorts)
        query = self._query(call, part)
        views = call.application.views
        rows = await views.read(self._rows.page, query) if part.limit else []
        total = await views.read(self._rows.count, query) if part.with_count else None
        links = paging.links(call, part, [str(row.id) for row in rows], total=total)
        return rows, [Link(**link) for link in links or []], total

    def _query(self, call: Call, part: paging.Page) -> Query:
        asked: dict[str, Any] = {"equals": {}, "contains": {}, "pairs": {}, "times": []}
        for name, text in filters.given(call, resource=self._kind, without=paging.KEYS).items():
            like = name.removesuffix(filters.LIKE)
            if name != like and like in self._words and call.has(microversions.LIKE_FILTERS):
                asked["contains"][like] = text
            elif name in self._times:
                asked["times"] += filters.times(name, text)
            elif name in self._pairs:
                asked["pairs"][self._pairs[name]] = filters.pairs(text)
            else:
                key, values = self._equal(call, name, text)
                asked["equals"][key] = values
        return Query(
            project_id=project_of(call),
            **asked,
            sort=part.sort,
            marker=paging.marker_id(part, kind=self._kind),
            limit=part.limit,
            offset=part.offset,
        )

    def _equal(self, call: Call, name: str, text: str) -> tuple[str, Any]:
        """A condition of the read model. By what no such thing has none is found (Cinder's empty
        list)."""
        if name in self._flags:
            if call.has(self._flags[name]):
                return name, [filters.boolean(text)]
            return name, filters.values(text, _flag)
        read = self._read.get(name)
        return ("id", _NONE) if read is None else (name, filters.values(text, read))


def project_of(call: Call) -> str | None:
    """Whose things a list is of; None: everybody's."""
    return None if filters.of_all_projects(call) else call.caller.project_id


def _flag(text: str) -> bool | None:
    """True or false; None, which no such thing is, for what is neither."""
    return filters.boolean(text) if text.strip().lower() in filters.YES_OR_NO else None
