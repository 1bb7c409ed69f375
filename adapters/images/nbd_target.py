"""The server's side of NBD, as far as a converter needs it that writes one disk from its start to
its end: so its output is a stream, and it needs no file to write to.

Source: the NBD protocol (doc/proto.md of NetworkBlockDevice/nbd), fixed newstyle.
"""

import asyncio
import errno
import socket
import struct
from collections.abc import AsyncGenerator

GREETING = b"NBDMAGICIHAVEOPT"
OPTION, OPTION_REPLY = struct.Struct(">8sII"), struct.Struct(">QIII")
REQUEST, REPLY = struct.Struct(">IHHQQI"), struct.Struct(">IIQ")
OPTION_MAGIC, OPTION_REPLY_MAGIC = b"IHAVEOPT", 0x3E889045565A9
REQUEST_MAGIC, REPLY_MAGIC = 0x25609513, 0x67446698
FIXED_NEWSTYLE = 1
GO, ACK, INFO, UNSUPPORTED = 7, 1, 3, 0x80000001
HAS_FLAGS, SENDS_FLUSH = 1, 1 << 2
WRITE, DISCONNECT, FLUSH = 1, 2, 3
MOST_BYTES = 32 * 2**20
"""Of one write or option: what the protocol lets every client send."""


class Refused(Exception):
    """The client does what no converter does."""


async def written(
    connection: socket.socket, *, size: int, patience_s: float
) -> AsyncGenerator[tuple[int, bytes], None]:
    """What the client writes to an export of `size` bytes, in order, until it disconnects.

    Raises Refused, TimeoutError if it is silent for `patience_s`, and OSError.
    """
    line = _Line(connection, patience_s)
    await _negotiate(line, size)
    position = 0
    while request := await line.receive(REQUEST.size, or_end=True):
        magic, _, kind, cookie, offset, length = REQUEST.unpack(request)
        if magic != REQUEST_MAGIC or kind == DISCONNECT:
            return
        failed = 0
        if kind == WRITE:
            if offset < position or offset + length > size or length > MOST_BYTES:
                raise Refused(f"it wrote {length} bytes at {offset}, after {position}")
            data = await line.receive(length)
            position = offset + length
            yield offset, data
        elif kind != FLUSH:
            failed = errno.EINVAL
        await line.send(REPLY.pack(REPLY_MAGIC, failed, cookie))


async def _negotiate(line: "_Line", size: int) -> None:
    await line.send(GREETING + struct.pack(">H", FIXED_NEWSTYLE))
    await line.receive(4)
    while True:
        magic, option, length = OPTION.unpack(await line.receive(OPTION.size))
        if magic != OPTION_MAGIC or length > MOST_BYTES:
            raise Refused("it does not speak the newstyle of NBD")
        await line.receive(length)
        if option != GO:
            await line.send(OPTION_REPLY.pack(OPTION_REPLY_MAGIC, option, UNSUPPORTED, 0))
            continue
        export = struct.pack(">HQH", 0, size, HAS_FLAGS | SENDS_FLUSH)
        await line.send(OPTION_REPLY.pack(OPTION_REPLY_MAGIC, GO, INFO, len(export)) + export)
        await line.send(OPTION_REPLY.pack(OPTION_REPLY_MAGIC, GO, ACK, 0))
        return


class _Line:
    """One end of a connection."""

    def __init__(self, connection: socket.socket, patience_s: float) -> None:
        connection.setblocking(False)
        self._connection = connection
        self._patience_s = patience_s
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        async with asyncio.timeout(self._patience_s):
            await self._loop.sock_sendall(self._connection, data)

    async def receive(self, length: int, *, or_end: bool = False) -> bytes:
        """So many bytes; none at the end, if that may come now."""
        received = bytearray(length)
        view, at = memoryview(received), 0
        async with asyncio.timeout(self._patience_s):
            while at < length:
                count = await self._loop.sock_recv_into(self._connection, view[at:])
                if not count and not (or_end and at == 0):
                    raise Refused("it ended in the middle")
                if not count:
                    return b""
                at += count
        return bytes(received)
