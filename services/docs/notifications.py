"""The page of all notifications: which there are, because of what, and what they say."""

import msgspec

from services.docs.events import fields
from services.docs.pages import Page, code, table
from services.notifications.catalogue import SILENT, every_notice

_HEADING = "# Notifications"


def page() -> Page:
    """Each with the events that it is told of, then the fields of their payloads."""
    told = every_notice()
    rows = []
    payloads: dict[type[msgspec.Struct], None] = {}
    for name, of in told.items():
        payloads |= dict.fromkeys(notice.payload for _, notice in of)
        causes = ", ".join(code(cls.type_name) for cls, _ in of)
        rows.append((code(name), of[0][1].priority, of[0][1].payload.__name__, causes))
    lines = ["## Types", "", *table(("event type", "priority", "payload", "because of"), rows)]
    lines += ["", "Of these events nothing is told, as with Cinder:", ""]
    lines += table(("event", "why"), ((code(cls.type_name), why) for cls, why in SILENT.items()))
    for payload in payloads:
        about = " ".join((payload.__doc__ or "").split())
        lines += ["", f"## {payload.__name__}", "", about, "", *fields(payload)]
    return Page("notifications.md", "\n".join(lines), _HEADING)
