"""The server's side of NBD, as far as a converter needs it that writes one disk from its start to
its end: so its output is a stream, and it needs no file to write to.

Source: the NBD protocol (doc/proto.md of NetworkBlockDevice/nbd), fixed newstyle.
"""

import errno
import socket
import struct
from collections.abc import Generator

GREETING = b"NBDMAGICIHAVEOPT"
OPTION, OPTION_REPLY = struct.Struct(">8sII"), struct.Struct(">QIII")
REQUEST, REPLY = struct.Struct(">IHHQQI"), struct.Struct(">IIQ")
OPTION_MAGIC, OPTION_REPLY_MAGIC = b"IHAVEOPT", 0x3E889045565A9
REQUEST_MAGIC, REPLY_MAGIC = 0x25609513, 0x67446698
FIXED_NEWSTYLE = 1
GO, ACK, INFO, UNSUPPORTED = 7, 1, 3, 0x80000001
HAS_FLAGS, SENDS_FLUSH = 1, 1 << 2
WRITE, DISCONNECT, FLUSH = 1, 2, 3
TIMEVAL = struct.Struct("@ll")
"""As this machine has it (socket(7))."""

MOST_BYTES = 32 * 2**20
"""Of one write or option: what the protocol lets every client send."""


Written = Generator[tuple[int, memoryview], None, None]


class Refused(Exception):
    """The client does what no converter does."""


def written(connection: socket.socket, *, size: int, patience_s: float) -> Written:
    """What the client writes to an export of `size` bytes, in order, until it disconnects; each
    piece is there until the next is asked for.

    Raises Refused, TimeoutError if it is silent for `patience_s`, and OSError.
    """
    line = _Line(connection, patience_s)
    _negotiate(line, size)
    position = 0
    while request := line.receive(REQUEST.size, or_end=True):
        magic, _, kind, cookie, offset, length = REQUEST.unpack(request)
        if magic != REQUEST_MAGIC or kind == DISCONNECT:
            return
        data = None
        if kind == WRITE:
            if offset < position or offset + length > size or length > MOST_BYTES:
                raise Refused(f"it wrote {length} bytes at {offset}, after {position}")
            data = line.receive(length)
            position = offset + length
        # At once, so that the next is on its way while this is used: nothing hangs on the answer
        known = kind in (WRITE, FLUSH)
        line.send(REPLY.pack(REPLY_MAGIC, 0 if known else errno.EINVAL, cookie))
        if data is not None:
            yield offset, data


def _negotiate(line: "_Line", size: int) -> None:
    line.send(GREETING + struct.pack(">H", FIXED_NEWSTYLE))
    line.receive(4)
    while True:
        magic, option, length = OPTION.unpack(line.receive(OPTION.size))
        if magic != OPTION_MAGIC or length > MOST_BYTES:
            raise Refused("it does not speak the newstyle of NBD")
        line.receive(length)
        if option != GO:
            line.send(OPTION_REPLY.pack(OPTION_REPLY_MAGIC, option, UNSUPPORTED, 0))
            continue
        export = struct.pack(">HQH", 0, size, HAS_FLAGS | SENDS_FLUSH)
        line.send(OPTION_REPLY.pack(OPTION_REPLY_MAGIC, GO, INFO, len(export)) + export)
        line.send(OPTION_REPLY.pack(OPTION_REPLY_MAGIC, GO, ACK, 0))
        return


class _Line:
    """One end of a connection, and a buffer for what is received."""

    def __init__(self, connection: socket.socket, patience_s: float) -> None:
        # Let the kernel wait: with a timeout of Python's, it says when there is a little to read
        connection.setblocking(True)
        seconds, rest = divmod(patience_s, 1)
        patience = TIMEVAL.pack(int(seconds), int(rest * 1e6))
        for option in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            connection.setsockopt(socket.SOL_SOCKET, option, patience)
        self._connection = connection
        self._buffer = bytearray()

    def send(self, data: bytes) -> None:
        try:
            self._connection.sendall(data)
        except BlockingIOError:
            raise TimeoutError from None

    def receive(self, length: int, *, or_end: bool = False) -> memoryview:
        """So many bytes, until the next are received; none at the end, if that may come now."""
        if len(self._buffer) < length:
            self._buffer = bytearray(length)
        view, at = memoryview(self._buffer)[:length], 0
        while at < length:
            try:
                count = self._connection.recv_into(view[at:], 0, socket.MSG_WAITALL)
            except BlockingIOError:
                raise TimeoutError from None
            if not count and not (or_end and at == 0):
                raise Refused("it ended in the middle")
            if not count:
                return view[:0]
            at += count
        return view
