"""Copies of files: equal, independent, as sparse as their source, whole or absent."""

import errno
import hashlib
import os
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest

from adapters.drivers import reflink
from adapters.drivers.durable import partial_of
from adapters.drivers.reflink import Copied, CopyMethod, supported
from tests.adapters.drivers import mounts

MIB = 2**20


def a_file(path: Path, *, data_at_mib: tuple[int, ...] = (0, 7, 20), size: int = 30 * MIB) -> Path:
    """A sparse file with one MiB of data at each place."""
    with path.open("wb") as file:
        file.truncate(size)
        for place in data_at_mib:
            file.seek(place * MIB)
            file.write(os.urandom(MIB))
    return path


def copy_file(source: Path, copy: Path) -> Copied:
    """All of it, while nobody writes to it."""
    size = source.stat().st_size
    return reflink.copy_file(source, copy, first_bytes=size, size_bytes=size, still=nullcontext())


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def scribble(path: Path) -> None:
    with path.open("r+b") as file:
        file.seek(7 * MIB)
        file.write(b"written later")
        os.fsync(file.fileno())


def assert_equal_and_independent(source: Path, copy: Path) -> None:
    before = digest(source)
    assert digest(copy) == before
    scribble(copy)
    assert digest(source) == before != digest(copy)
    changed = digest(copy)
    scribble(source)
    with source.open("r+b") as file:
        file.truncate(MIB)
    assert digest(copy) == changed


@pytest.fixture(params=["xfs", "btrfs"])
def reflinking(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    with mounts.filesystem(tmp_path, request.param) as directory:
        yield directory


@pytest.fixture(params=["tmpfs", "ext4", "xfs without reflink"])
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """A filesystem without reflinks."""
    if request.param == "tmpfs":
        with mounts.tmpfs(tmp_path, options="size=64m") as directory:
            yield directory
    else:
        with mounts.filesystem(tmp_path, request.param) as directory:
            yield directory


def test_a_reflink_writes_nothing_and_is_independent(reflinking: Path):
    assert supported(reflinking)
    source, copy = a_file(reflinking / "source"), reflinking / "copy"
    assert copy_file(source, copy) == Copied(CopyMethod.REFLINK, 0)
    assert_equal_and_independent(source, copy)
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_reflink_of_an_odd_size_is_equal(reflinking: Path):
    source = a_file(reflinking / "source", size=30 * MIB + 123)
    copy_file(source, reflinking / "copy")
    assert digest(reflinking / "copy") == digest(source)


def test_without_reflinks_only_the_data_is_written(plain: Path):
    assert not supported(plain)
    source, copy = a_file(plain / "source"), plain / "copy"
    copied = copy_file(source, copy)
    assert copied == Copied(CopyMethod.SPARSE, 3 * MIB)
    assert copy.stat().st_blocks * 512 < 4 * MIB
    assert_equal_and_independent(source, copy)


@pytest.mark.parametrize(
    ("data_at_mib", "size"),
    [
        ((), 0),
        ((), 30 * MIB),
        ((0,), MIB),
        ((29,), 30 * MIB),
        ((3,), 4 * MIB + 1),
        (tuple(range(8)), 8 * MIB - 4095),
    ],
    ids=["empty", "all hole", "all data", "data last", "hole last, odd", "data, odd"],
)
@pytest.mark.parametrize("kernel_copies", [True, False], ids=["in the kernel", "through memory"])
def test_every_shape_of_file_is_copied_exactly(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    data_at_mib: tuple[int, ...],
    size: int,
    kernel_copies: bool,
):
    def refuse(*_) -> int:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    if not kernel_copies:
        monkeypatch.setattr(os, "copy_file_range", refuse)
    monkeypatch.setattr(reflink, "clone", lambda *_: False)
    monkeypatch.setattr(reflink, "CHUNK_BYTES", MIB + 1)
    monkeypatch.setattr(reflink, "BUFFER_BYTES", MIB - 1)
    source, copy = tmp_path / "source", tmp_path / "copy"
    a_file(source, data_at_mib=data_at_mib, size=size)
    os.truncate(source, size)
    copied = copy_file(source, copy)
    assert copied.method is CopyMethod.SPARSE
    assert copied.written_bytes <= len(data_at_mib) * MIB
    assert copy.stat().st_size == size
    assert digest(copy) == digest(source)


def test_a_copy_to_another_filesystem_is_sparse(reflinking: Path, tmp_path: Path):
    source = a_file(reflinking / "source")
    copied = copy_file(source, tmp_path / "copy")
    assert copied == Copied(CopyMethod.SPARSE, 3 * MIB)
    assert_equal_and_independent(source, tmp_path / "copy")


def test_a_disk_that_fills_up_leaves_no_copy_and_the_old_file(tmp_path: Path):
    source = a_file(tmp_path / "source", data_at_mib=(0, 1, 2))
    with mounts.tmpfs(tmp_path, options="size=2m") as directory:
        copy = directory / "copy"
        copy.write_bytes(b"old")
        with pytest.raises(OSError) as failure:
            copy_file(source, copy)
        assert failure.value.errno == errno.ENOSPC
        assert copy.read_bytes() == b"old"
        assert list(directory.iterdir()) == [copy]


def test_a_second_writer_to_the_same_copy_is_refused(tmp_path: Path):
    source, copy = a_file(tmp_path / "source"), tmp_path / "copy"
    partial_of(copy).write_bytes(b"another writer's")
    with pytest.raises(FileExistsError):
        copy_file(source, copy)
    assert partial_of(copy).read_bytes() == b"another writer's"
    assert not copy.exists()


def test_a_directory_that_cannot_be_written_is_an_error_and_not_a_no(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        supported(tmp_path / "missing")
