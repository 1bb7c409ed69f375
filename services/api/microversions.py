"""Microversions: which one a request is answered in, and the name of each change that matters.

A microversion is the number behind the dot: 53 is 3.53. Sources: api.md 1 and 14.
"""

import re

from services.api.faults import Fault

HEADER = "OpenStack-API-Version"
SERVICE = "volume"
LOWEST, HIGHEST = 0, 71

UPLOAD_VISIBILITY = 1
STRICT_BOOTABLE = 2
MESSAGES = 3
GLANCE_METADATA_FILTER = 4
MESSAGE_PAGES = 5
SERVICE_CLUSTER = 7
BACKUP_UPDATE = 9
GROUP_FILTER = 10
SUMMARY = 12
VOLUME_GROUP = 13
GROUP_SNAPSHOTS = 14
ETAGS = 15
BACKUP_PROJECT = 18
PROVIDER_ID = 21
MIGRATE_TO_CLUSTER = 16
SNAPSHOT_METADATA_FILTER = 22
FORCE_BY_QUERY = 23
ATTACHMENTS = 27
POOL_FILTERS = 28
SNAPSHOT_SORT_NAME = 30
STRICT_FILTERS = 31
RESOURCE_FILTERS = 33
LIKE_FILTERS = 34
POOL_TYPE_FILTER = 35
SUMMARY_METADATA = 36
BACKUP_SORT_NAME = 37
LIMITS_OF_PROJECT = 39
REVERT = 40
SNAPSHOT_USER = 41
EXTEND_ATTACHED = 42
BACKUP_METADATA = 43
ATTACHMENT_COMPLETE = 44
WITH_COUNT = 45
SERVER_SNAPSHOT = 46
FROM_BACKUP = 47
SHARED_TARGETS = 48
BACKEND_STATE = 49
BACKUP_ZONE = 51
TYPE_SPECS_FILTER = 52
STRICT_BODIES = 53
ATTACHMENT_MODE = 54
TRANSFER_SNAPSHOTS = 55
BACKUP_USER = 56
TRANSFER_HISTORY = 57
TRANSFER_PAGING = 59
TIME_FILTERS = 60
CLUSTER_NAME = 61
DEFAULT_TYPES = 62
TYPE_ID = 63
ENCRYPTION_KEY_ID = 64
CONSUMES_QUOTA = 65
SNAPSHOT_IN_USE = 66
ENCRYPTED_TRANSFER = 70

_NUMBER = re.compile(r"(\d{1,9})\.(\d{1,9})")


def text(microversion: int) -> str:
    """As clients write it: `3.53`."""
    return f"3.{microversion}"


def negotiated(header: str | None) -> int:
    """The microversion that the header asks for; 3.0 without one.

    Raises Fault: 400 for what names no volume version, 406 for one that we do not speak.
    """
    if header is None:
        return LOWEST
    for item in header.split(","):
        service, _, wanted = item.strip().partition(" ")
        if service.lower() == SERVICE:
            return _number(wanted.strip())
    raise Fault(400, f"The header {HEADER}: {header[:64]} names no version of service {SERVICE}.")


def _number(wanted: str) -> int:
    if wanted == "latest":
        return HIGHEST
    match = _NUMBER.fullmatch(wanted)
    if match is None:
        raise Fault(400, f"API version {wanted[:64]!r} is invalid: it must be 3.N or latest.")
    major, minor = int(match[1]), int(match[2])
    if major != 3 or not LOWEST <= minor <= HIGHEST:
        raise Fault(
            406,
            f"Version {wanted} is not supported by the API. Minimum is {text(LOWEST)}"
            f" and maximum is {text(HIGHEST)}.",
        )
    return minor
