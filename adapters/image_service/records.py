"""What is kept of each image beside it, as JSON that an operator may read, and edit."""

import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import msgspec

from adapters.drivers.content import Fingerprint, padded
from adapters.drivers.contract import OpenFile
from adapters.drivers.durable import appearing, partial_of, remove
from adapters.drivers.file_content import blocks_in
from adapters.drivers.reflink import data_in
from adapters.image_service.port import CHUNK_BYTES, Image, ImageFile, ImageRefused, zeros
from adapters.images import formats
from adapters.images.unacceptable import ImageUnacceptable
from domain.image import Visibility

ALGORITHM = "sha256"
"""Of os_hash_value: as strong as Glance's sha512, and done by the processor itself."""

TICK_NS = 20_000_000
"""Longer than a tick of the clock that files are stamped by: within one, changes leave no trace."""

LARGEST_RECORD = 2**20
"""Bytes of JSON that are read."""

SUFFIXES = {".img": "", ".raw": "raw", ".iso": "iso", ".qcow2": "qcow2", ".vmdk": "vmdk"} | {
    f".{name}": name for name in ("vdi", "vhd", "vhdx")
}
"""What names of image files end with, and the disk format that this says; .img says none."""


class Stamp(msgspec.Struct, frozen=True):
    """What changes when a file does."""

    bytes: int
    modified_ns: int
    inode: int
    changed_ns: int = 0
    """Unlike the time before, nobody can set it back."""

    @classmethod
    def of(cls, found: os.stat_result) -> "Stamp":
        return cls(found.st_size, found.st_mtime_ns, found.st_ino, found.st_ctime_ns)


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What was found out about the bytes of a file that has this stamp."""

    stamp: Stamp
    virtual_size: int | None
    checksum: str
    os_hash_value: str
    fingerprint: str = ""
    """As port.ImageFile has it."""


class Record(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is said of an image, by Glance's names; for an image that was dropped there, as if
    everybody was to have it."""

    name: str = ""
    owner: str = ""
    disk_format: str = ""
    container_format: str = "bare"
    visibility: Visibility = "public"
    protected: bool = False
    min_disk: int = 0
    min_ram: int = 0
    properties: dict[str, str] = {}
    content: Content | None = None


def id_of(file_name: str) -> str:
    """Of the image in a file of this name: the UUID that it is named for, or one made from it."""
    stem = file_name.rpartition(".")[0]
    try:
        if str(UUID(stem)) == stem:
            return stem
    except ValueError:
        pass
    return str(uuid5(NAMESPACE_URL, f"lapilli:image:{file_name}"))


def record_of(path: Path) -> Path:
    """Where the record of the image at `path` is."""
    return path.with_name(f"{path.name}.json")


def is_image(name: str) -> bool:
    """Whether a file of that name may be an image."""
    return not name.startswith(".") and Path(name).suffix in SUFFIXES


def look(path: Path) -> os.stat_result | None:
    """What is there, if it is a file: no link is followed. Raises OSError."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return None
    return found if stat.S_ISREG(found.st_mode) else None


def read(path: Path) -> Record | None:
    """The record of the image at `path`. Raises ImageRefused if it is damaged, OSError."""
    where = record_of(path)
    try:
        file = open_file(where)
    except FileNotFoundError:
        return None
    with os.fdopen(file, "rb") as opened:
        try:
            return msgspec.json.decode(opened.read(LARGEST_RECORD), type=Record)
        except (msgspec.MsgspecError, UnicodeDecodeError) as damage:
            raise ImageRefused(f"{where} is damaged: {damage}") from None


def write(path: Path, record: Record) -> None:
    """Whole or not at all. Who comes here holds the image's lock. Raises OSError."""
    where = record_of(path)
    remove(partial_of(where))  # of a crash
    with appearing(where) as file:
        os.write(file, msgspec.json.format(msgspec.json.encode(record), indent=2))


def open_file(path: Path) -> int:
    """A descriptor of the file itself, for reading. Raises OSError, also for a link."""
    # Not to wait for whoever writes to a FIFO
    return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)


def described(path: Path, record: Record | None) -> Image:
    """The image at `path`, from what is known by now: until its content is, it is `importing`;
    without any bytes it is `queued`, or `saving` while they come. Raises OSError."""
    found, record = look(path), record or Record()
    content = record.content
    if found and content and content.stamp != Stamp.of(found):
        content = None
    if found:
        status = "active" if content else "importing"
    else:
        status = "saving" if partial_of(path).exists() else "queued"
    changed = found or record_of(path).lstat()
    return Image(
        id=id_of(path.name),
        name=record.name or path.stem,
        owner=record.owner,
        disk_format=record.disk_format or SUFFIXES[path.suffix] or "raw",
        container_format=record.container_format,
        visibility=record.visibility,
        protected=record.protected,
        min_disk=record.min_disk,
        min_ram=record.min_ram,
        properties=record.properties,
        status=status,
        size=found.st_size if found else None,
        virtual_size=content.virtual_size if content else None,
        checksum=content.checksum if content else None,
        os_hash_algo=ALGORITHM if content else None,
        os_hash_value=content.os_hash_value if content else None,
        updated_at=datetime.fromtimestamp(changed.st_mtime, UTC),
    )


def opened(path: Path, record: Record | None) -> ImageFile | None:
    """The file at `path`, if the record tells what is in it. Raises OSError."""
    file = OpenFile(open_file(path))
    content = record.content if record else None

    def changed() -> bool:
        return content is None or Stamp.of(os.fstat(file.fileno())) != content.stamp

    if content is None or changed():
        return None
    digests = {ALGORITHM: content.os_hash_value}
    return ImageFile(file, content.stamp.bytes, digests, content.fingerprint, changed)


class Examined(msgspec.Struct, frozen=True):
    """What reading a file once has told of it."""

    disk_format: str
    content: Content

    def onto(self, record: Record) -> Record:
        """What is said of it stays; somebody may have edited it meanwhile."""
        said = record.disk_format or self.disk_format
        return msgspec.structs.replace(record, disk_format=said, content=self.content)


def examined(path: Path, record: Record) -> Examined:
    """The whole file is read. Raises OSError."""
    file = open_file(path)
    try:
        stamp = _settled(file)
        declared = record.disk_format or SUFFIXES[path.suffix]
        if not declared:
            declared = formats.format_of(os.pread(file, formats.HEAD_BYTES, 0))
        checksum, digest = _digests(file)
        fingerprint = _fingerprint(file, stamp.bytes)
        try:
            virtual_size: int | None = formats.inspect_open(file, declared=declared).virtual_size
        except ImageUnacceptable:
            virtual_size = None  # which is said to whoever wants to use it
        if Stamp.of(os.fstat(file)) != stamp:
            raise OSError(errno.EBUSY, "the image is being written to")
    finally:
        os.close(file)
    content = Content(
        stamp=stamp,
        virtual_size=virtual_size,
        checksum=checksum,
        os_hash_value=digest,
        fingerprint=fingerprint,
    )
    return Examined(declared, content)


def _settled(file: int) -> Stamp:
    """Its stamp, which any change from now on changes."""
    found = os.fstat(file)
    since_ns = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns)
    if 0 <= since_ns < TICK_NS:
        time.sleep(TICK_NS / 1e9)
    return Stamp.of(os.fstat(file))


def _fingerprint(file: int, size: int) -> str:
    seen = Fingerprint()
    for block in padded(blocks_in(file, begin=0, end=size)):
        seen.add(block)
    return seen.value


def _digests(file: int) -> tuple[str, str]:
    checksum, digest = hashlib.md5(usedforsecurity=False), hashlib.new(ALGORITHM)
    for chunk in _content(file):
        checksum.update(chunk)
        digest.update(chunk)
    return checksum.hexdigest(), digest.hexdigest()


def _content(file: int) -> Iterator[bytes]:
    """All its bytes. Holes are not read: the kernel would fill as many pages with zeros first."""
    position, size = 0, os.fstat(file).st_size
    for start, stop in data_in(file, end=size):
        yield from zeros(start - position)
        position = start
        while position < stop:
            chunk = os.pread(file, min(CHUNK_BYTES, stop - position), position)
            if not chunk:
                return  # it became shorter, which its stamp tells
            yield chunk
            position += len(chunk)
    yield from zeros(size - position)
