"""The page of all settings."""

from services import settings
from services.docs.pages import Page


def page() -> Page:
    """As the settings describe themselves."""
    title, _, rest = settings.reference().partition("\n")
    return Page("settings.md", rest, title)
