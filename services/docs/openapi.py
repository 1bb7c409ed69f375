"""The description of the HTTP API."""

import msgspec

from services.api.app import ROUTES
from services.api.openapi import description
from services.docs.pages import Page


def page() -> Page:
    """As the API describes itself on /openapi.json."""
    described = msgspec.json.encode(description(ROUTES), order="deterministic")
    return Page("openapi.json", msgspec.json.format(described, indent=2).decode() + "\n")
