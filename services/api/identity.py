"""Who is calling: the port, and its adapter for deployments without an identity service.

Sources: api.md 15 (Cinder's noauth), clients.md.
"""

import re
from typing import Protocol

import msgspec

from services.api.faults import Fault
from services.settings import Settings

ANONYMOUS = "notused"
"""The token that OpenStack's clients send when they have none (keystoneauth's `none`)."""

SERVICE = "service"
"""The role by which other services are known (Cinder's service_token_roles)."""

_NAME = re.compile(r"[^\x00-\x20\x7f]{1,255}")


class Caller(msgspec.Struct, frozen=True):
    """The user behind a request, the project they act in, and their roles there."""

    user_id: str
    project_id: str
    roles: tuple[str, ...] = ()
    service_roles: tuple[str, ...] = ()
    """Roles of the service that speaks for the user, if one does (a service token)."""


class Credentials(msgspec.Struct, frozen=True):
    """What a request says about its caller."""

    token: str | None
    path_project: str | None
    """The project in the URL, if it names one."""
    login_user: str | None = None
    login_project: str | None = None
    """X-Auth-User and X-Auth-Project-Id, by which old clients ask for a token."""


class Identity(Protocol):
    """Tells who is behind credentials."""

    async def caller(self, credentials: Credentials) -> Caller:
        """The caller. Raises Fault 401 for those that we do not know."""


class Handshake(Exception):
    """The request asked for a token, and here it is (Cinder's noauth answers 204)."""

    def __init__(self, token: str) -> None:
        self.token = token
        super().__init__(token)


class Trusting:
    """Believes everybody: mode `none`. Callers have the roles of the settings, always, and there
    are no service tokens: whoever calls may be a service, too.

    The project is that of the token `user:project`, else of the URL, else the default one.
    """

    def __init__(self, settings: Settings) -> None:
        self._user = settings.identity.default_user
        self._project = settings.identity.default_project
        self._roles = tuple(settings.identity.roles)

    async def caller(self, credentials: Credentials) -> Caller:
        """Whoever the request says. Raises Handshake, or Fault 401 for a token of no sense."""
        token = credentials.token
        if token is None and (credentials.login_user or credentials.login_project):
            raise Handshake(
                f"{credentials.login_user or 'admin'}:{credentials.login_project or 'admin'}"
            )
        if not token or token == ANONYMOUS:
            return self._one(self._user, credentials.path_project or self._project)
        user, _, project = token.partition(":")
        project = project or user
        if not _NAME.fullmatch(user) or not _NAME.fullmatch(project):
            raise unauthorized()
        return self._one(user, project)

    def _one(self, user: str, project: str) -> Caller:
        return Caller(user, project, self._roles, service_roles=(SERVICE,))


def unauthorized() -> Fault:
    """A token that is not worth anything."""
    return Fault(
        401,
        "The request you have made requires authentication.",
        headers={"WWW-Authenticate": "Keystone uri=''"},
    )
