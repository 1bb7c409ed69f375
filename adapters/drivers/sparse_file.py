"""The sparse files that are volumes and snapshots: making, copying, replacing, growing, removing.

Who changes one holds its lock. All raise OSError besides what they say.
"""

import os
import stat
from collections.abc import Iterable
from contextlib import AbstractContextManager
from pathlib import Path

from adapters.drivers.content import Block
from adapters.drivers.contract import DriverFailure
from adapters.drivers.durable import appearing, partial_of, remove, sync_directory
from adapters.drivers.file_content import fill
from adapters.drivers.reflink import copy_file


def create(path: Path, size_bytes: int) -> None:
    """Holding nothing."""
    remove(partial_of(path))  # of a crash
    with appearing(path) as file:
        os.ftruncate(file, size_bytes)


def is_there(path: Path, size_bytes: int) -> bool:
    """Whether it is, to last; if not, nothing of it is there but what can be gone on with.

    Raises DriverFailure if it has another size, or is something else.
    """
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
        raise DriverFailure(
            f"{path} exists and is not a volume of {size_bytes} bytes: left as it is", False
        )
    sync_directory(path.parent)  # the call that made it may have died before it did this
    return True


def copy(
    source: Path,
    path: Path,
    *,
    first_bytes: int,
    size_bytes: int,
    still: AbstractContextManager[None],
) -> None:
    """Make it, or what replaces it at once, with the first bytes of the source and zeros beyond.

    `still` as in `copy_file`. Raises DriverFailure if there are not so many bytes to copy, or no
    room for them.
    """
    if not is_whole(source):
        raise DriverFailure(f"{source} is not there to copy", False)
    found_bytes = source.stat().st_size
    if found_bytes < first_bytes:
        raise DriverFailure(f"{source} has {found_bytes} bytes, not {first_bytes}", False)
    if first_bytes > size_bytes:
        raise DriverFailure(f"{source} does not fit into {size_bytes} bytes", False)
    remove(partial_of(path))
    copy_file(source, path, first_bytes=first_bytes, size_bytes=size_bytes, still=still)


def overwrite(path: Path, size_bytes: int, content: Iterable[Block]) -> None:
    """Replace what is there with that content, at once."""
    remove(partial_of(path))
    with appearing(path) as file:
        os.ftruncate(file, size_bytes)
        for block in content:
            fill(file, *block)


def delete(path: Path) -> None:
    remove(partial_of(path))
    remove(path)
    sync_directory(path.parent)


def is_whole(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except FileNotFoundError:
        return False


def extend(path: Path, size_bytes: int) -> None:
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        raise DriverFailure(f"{path} is not there to extend", False) from None
    try:
        found_bytes = os.fstat(file).st_size
        if size_bytes < found_bytes:
            raise DriverFailure(
                f"{path} has {found_bytes} bytes and cannot shrink to {size_bytes}", False
            )
        if size_bytes > found_bytes:
            os.ftruncate(file, size_bytes)
        os.fsync(file)
    finally:
        os.close(file)
