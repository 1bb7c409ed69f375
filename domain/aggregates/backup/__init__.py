"""A backup of a volume, and what happens to it in its life."""

from domain.aggregates.backup import encryption, events, giving_up, importing, making, restoring
from domain.aggregates.backup.backup import Backup

__all__ = ["Backup", "encryption", "events", "giving_up", "importing", "making", "restoring"]
