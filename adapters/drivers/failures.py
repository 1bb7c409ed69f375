"""What errors of the operating system mean to the person who runs a backend."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from adapters.drivers.contract import DriverFailure

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
REMEDIES = {
    errno.ENOSPC: "free some space (or inodes) there",
    errno.EDQUOT: "raise the disk quota of the user that runs this service",
    errno.EFBIG: "this filesystem does not take files that large",
    errno.EACCES: "give the user that runs this service read and write permission",
    errno.EPERM: "give the user that runs this service read and write permission",
    errno.EROFS: "mount the filesystem read-write",
    errno.EIO: "the disk is failing: see the kernel log",
    errno.ENOENT: "create the directory, or mount the filesystem that should be there",
    errno.ENOTDIR: "a directory is needed there, and something else is in its place",
    errno.ELOOP: "a symbolic link is in the place of a volume: remove it",
    errno.EADDRINUSE: "another program took its port: stop that, or detach and attach again",
    errno.EADDRNOTAVAIL: "set nbd_host to an address of this machine",
}


@contextmanager
def failures(what: str, directory: Path) -> Iterator[None]:
    """Turn an OSError into a DriverFailure that says what failed, where, and what to do."""
    try:
        yield
    except OSError as error:
        raise DriverFailure(f"{what} in {directory}: {explained(error)}", True) from error


def explained(error: OSError) -> str:
    """What the system says of it, and what to do."""
    said = os.strerror(error.errno) if error.errno else str(error)
    return f"{said}: {REMEDIES.get(error.errno or 0, 'see the system log')}"
