"""Containers: where users say that their backups are kept."""

import re

DEFAULT_CONTAINER = "volumebackups"
"""Of backups for which nobody names one."""

CONTAINER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}\Z")
"""Names that mean the same to every store, a directory of files included."""
