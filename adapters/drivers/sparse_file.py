"""The sparse files that are volumes: making, growing, removing, listing. Who changes one holds its
lock.

All raise OSError besides what they say.
"""

import os
import re
import stat
from collections.abc import Iterable
from pathlib import Path
from uuid import UUID

from adapters.drivers.content import Block
from adapters.drivers.contract import DriverFailure
from adapters.drivers.durable import appearing, partial_of, remove, sync_directory
from adapters.drivers.file_content import fill
from adapters.drivers.locks import exclusive

UUID_PATTERN = "[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
VOLUME = re.compile(f"volume-{UUID_PATTERN}")
PARTIAL = re.compile(rf"\.volume-({UUID_PATTERN})\.partial")


def create(path: Path, size_bytes: int, content: Iterable[Block] = ()) -> None:
    remove(partial_of(path))  # of a crash: who comes here holds the object's lock
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        with appearing(path) as file:
            os.ftruncate(file, size_bytes)
            for block in content:
                fill(file, block)
        return
    if not stat.S_ISREG(found.st_mode) or found.st_size != size_bytes:
        raise DriverFailure(
            f"{path} exists and is not a volume of {size_bytes} bytes: left as it is", False
        )
    sync_directory(path.parent)  # the call that made it may have died before it did this


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


def volumes_in(directory: Path) -> dict[str, os.stat_result]:
    """All that are whole, by name."""
    found: dict[str, os.stat_result] = {}
    with os.scandir(directory) as entries:
        for entry in entries:
            if VOLUME.fullmatch(entry.name):
                try:
                    found[entry.name] = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue  # deleted since it was listed
    return found


def remove_leftovers(directory: Path) -> None:
    """Partial files that no live process holds; here no lock is held."""
    for path in directory.iterdir():
        if leftover := PARTIAL.fullmatch(path.name):
            try:
                with exclusive(directory, UUID(leftover[1]), wait=False):
                    remove(path)
            except BlockingIOError:
                continue  # a live process is at work on it
    sync_directory(directory)
