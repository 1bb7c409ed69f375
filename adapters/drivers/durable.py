"""Files that appear whole or not at all, and stay after a power cut."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


def partial_of(destination: Path) -> Path:
    """Where `destination` grows until it is whole. A crash may leave this file, nothing else."""
    return destination.with_name(f".{destination.name}.partial")


@contextmanager
def appearing(destination: Path) -> Iterator[int]:
    """Yield the descriptor of an empty file, mode 0600, that becomes `destination` at the end.

    On an exception nothing remains. Raises FileExistsError if another writer, or a crash, has left
    a partial file: whoever excludes other writers may remove it first.
    """
    partial = partial_of(destination)
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    file = os.open(partial, flags, 0o600)
    try:
        try:
            yield file
            os.fsync(file)
        finally:
            os.close(file)
        partial.rename(destination)
    except BaseException:
        with suppress(OSError):  # the first error is the one to report
            partial.unlink()
        raise
    sync_directory(destination.parent)


def remove(path: Path) -> None:
    """Unlink; nothing there is success. Lasting only after `sync_directory`."""
    with suppress(FileNotFoundError):
        path.unlink()


def sync_directory(directory: Path) -> None:
    """Make the names in it last: a rename or unlink alone may be undone by a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
