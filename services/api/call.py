"""A call: one request with everything that is known about it, handed to the code of a resource."""

from typing import Any, TypeVar
from urllib.parse import parse_qsl

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from domain.errors import InvalidRequest
from domain.event import Actor, Moment
from services.api import bodies
from services.api.application import Application
from services.api.catalogue import Catalogue
from services.api.identity import Caller
from services.api.policy import Owner, Policy

T = TypeVar("T")

MAX_QUERY_BYTES = 8192
"""As Cinder's web server limits URLs."""

_encode = msgspec.json.Encoder().encode
JSON = "application/json"


class Call:
    """What a resource sees of a request."""

    __slots__ = (
        "_admin",
        "_query",
        "application",
        "caller",
        "catalogue",
        "http",
        "microversion",
        "parts",
        "path_project",
        "policy",
        "request_id",
    )

    def __init__(
        self,
        http: Request,
        *,
        application: Application,
        policy: Policy,
        catalogue: Catalogue,
        request_id: str,
    ) -> None:
        self.http, self.application, self.policy = http, application, policy
        self.catalogue = catalogue
        self.request_id = request_id
        self.microversion = 0
        self.path_project: str | None = None
        self.parts: dict[str, str] = {}
        self.caller = Caller("", "")
        self._query: dict[str, str] | None = None
        self._admin: bool | None = None

    # what is asked

    def part(self, name: str) -> str:
        """A segment of the path, by the name it has in the route."""
        return self.parts[name]

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of one given twice the last. Raises InvalidRequest."""
        if self._query is None:
            self._query = _parsed(self.http.scope["query_string"])
        return self._query

    def flag(self, name: str) -> bool:
        """A boolean query parameter; absent is no. Raises InvalidRequest."""
        value = self.query.get(name)
        if value is None:
            return False
        word = value.strip().lower()
        if word in bodies.YES:
            return True
        if word in bodies.NO:
            return False
        raise InvalidRequest(f"Invalid value {value[:64]!r} for {name}: true or false is expected.")

    async def body(self, kind: type[T], *, strict: tuple[str, ...] = ()) -> T:
        """The body as a struct; see bodies.py. Raises InvalidRequest, Fault."""
        return bodies.decoded(await bodies.read(self.http), kind, strict=strict)

    def has(self, change: int) -> bool:
        """Whether the request's microversion is that of the change (microversions.py) or later."""
        return self.microversion >= change

    # who asks

    @property
    def is_admin(self) -> bool:
        """Whether the caller sees all projects."""
        if self._admin is None:
            self._admin = self.policy.is_admin(self.caller)
        return self._admin

    @property
    def visible_project(self) -> str | None:
        """The only project whose things the caller sees by id; None: all."""
        return None if self.is_admin else self.caller.project_id

    def allows(self, rule: str, owner: Owner | None = None) -> bool:
        """Whether the caller may, on something of that owner (None: the caller)."""
        return self.policy.allows(rule, self.caller, owner)

    def check(self, rule: str, owner: Owner | None = None) -> None:
        """Raises Forbidden unless `allows`."""
        self.policy.check(rule, self.caller, owner)

    def moment(self) -> Moment:
        """What the events of this request carry."""
        return Moment(
            at=self.application.clock(),
            request_id=self.request_id,
            actor=Actor(self.caller.user_id, self.caller.project_id),
        )

    async def change_catalogue(self, command: Any) -> Any:
        """Runs a command about types or defaults; what is remembered of them is forgotten."""
        try:
            return await self.application.execute(command)
        finally:
            self.catalogue.forget()

    # what is answered

    @property
    def base(self) -> str:
        """The URL that links begin with, without a slash at its end."""
        configured = self.application.settings.api.public_endpoint
        if configured:
            return configured.rstrip("/")
        headers, scope = self.http.headers, self.http.scope
        scheme = headers.get("x-forwarded-proto") or scope.get("scheme", "http")
        host = headers.get("x-forwarded-host") or headers.get("host")
        if host is None:
            name, port = scope.get("server") or ("localhost", None)
            host = f"{name}:{port}" if port else name
        return f"{scheme.partition(',')[0].strip()}://{host.partition(',')[0].strip()}"

    @property
    def project_path(self) -> str:
        """The project in links: there if the request's URL has it."""
        return f"/{self.path_project}" if self.path_project else ""

    def json(self, status: int, answer: Any, *, headers: dict[str, str] | None = None) -> Response:
        """An answer with a body."""
        return Response(_encode(answer), status, headers, media_type=JSON)

    def empty(self, status: int) -> Response:
        """An answer without a body."""
        return Response(status_code=status)


def _parsed(query: bytes) -> dict[str, str]:
    if not query:
        return {}
    if len(query) > MAX_QUERY_BYTES:
        raise InvalidRequest(f"The query is too long: at most {MAX_QUERY_BYTES} bytes.")
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except ValueError:
        raise InvalidRequest("The query is not UTF-8, percent-encoded.") from None
    if b"%00" in query or "\x00" in query.decode("ascii"):
        raise InvalidRequest("The query contains a NUL character.")
    return dict(pairs)
