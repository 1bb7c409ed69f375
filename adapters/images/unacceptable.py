"""What is wrong with an image, and how its headers are read."""

import struct
from collections.abc import Callable
from typing import Any

from domain.errors import LapilliError


class ImageUnacceptable(LapilliError):
    """The image is not what may become a volume, whoever asks and however often."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"The image is unacceptable: {reason}.")


Bytes = Callable[[int, int], bytes]
"""The bytes of an image from an offset on, as many as asked for or as are left."""


def fields(layout: str, image: Bytes, offset: int) -> tuple[Any, ...]:
    """What is there, by a layout of the struct module. Raises ImageUnacceptable past the end."""
    length = struct.calcsize(layout)
    found = image(offset, length)
    if len(found) < length:
        raise ImageUnacceptable("its header is cut off")
    return struct.unpack(layout, found)


def refuse_if(wrong: object, reason: str) -> None:
    """Raises ImageUnacceptable for that reason."""
    if wrong:
        raise ImageUnacceptable(reason)
