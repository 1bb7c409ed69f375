"""Making, growing and removing the sparse file that is a volume; who calls holds its lock.

All raise OSError besides what they say.
"""

import os
import stat
from collections.abc import Iterable
from pathlib import Path

from adapters.drivers.content import Block
from adapters.drivers.contract import DriverFailure
from adapters.drivers.durable import appearing, partial_of, remove, sync_directory
from adapters.drivers.file_content import fill


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
