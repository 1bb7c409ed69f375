"""How volumes are encrypted: what a volume type says of it, and the key that follows from that."""

from typing import Literal, get_args

import msgspec

from domain.errors import InvalidRequest
from domain.metadata import MAX_LENGTH

ControlLocation = Literal["front-end", "back-end"]
"""Who encrypts: the host that a volume is attached to, or the backend that keeps it."""

FRONT_END, BACK_END = get_args(ControlLocation)

DEFAULT_ALGORITHM, DEFAULT_KEY_BITS = "aes", 256
"""The key of a type that leaves cipher or key size to its provider. LUKS's own defaults use AES,
and 256 bits are what both AES-256 and AES-128 in XTS mode take."""

SMALLEST_KEY_BITS, LARGEST_KEY_BITS = 64, 8192


class Encryption(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How volumes of a type are encrypted, in Cinder's words (api.md 7). `key_size` is in bits."""

    provider: str
    """What understands the format, such as `luks`."""
    control_location: ControlLocation = "front-end"
    cipher: str | None = None
    """Algorithm, mode and initialisation, as dm-crypt writes them: `aes-xts-plain64`."""
    key_size: int | None = None

    @property
    def algorithm(self) -> str:
        """What key managers call the key's algorithm: the cipher's first word."""
        cipher = DEFAULT_ALGORITHM if self.cipher is None else self.cipher
        return cipher.partition("-")[0]

    @property
    def key_bits(self) -> int:
        """The length of the key."""
        return DEFAULT_KEY_BITS if self.key_size is None else self.key_size


def checked_encryption(encryption: Encryption) -> Encryption:
    """The encryption, if volumes can be encrypted so. Raises InvalidRequest.

    A key size that no key can have would fail every volume later, and is refused now.
    """
    if not encryption.provider.strip() or len(encryption.provider) > MAX_LENGTH:
        raise InvalidRequest(f"An encryption provider has 1 to {MAX_LENGTH} characters.")
    if encryption.control_location not in (FRONT_END, BACK_END):
        raise InvalidRequest(
            f"The control location must be {FRONT_END} or {BACK_END},"
            f" not {encryption.control_location[:64]!r}."
        )
    cipher, bits = encryption.cipher, encryption.key_size
    if cipher is not None and (not encryption.algorithm or len(cipher) > MAX_LENGTH):
        raise InvalidRequest(f"Invalid cipher {cipher[:64]!r}: it begins with an algorithm.")
    for words in (encryption.provider, cipher or ""):
        if "\x00" in words:
            raise InvalidRequest("Provider and cipher contain no NUL.")
    if bits is not None and (bits % 8 or not SMALLEST_KEY_BITS <= bits <= LARGEST_KEY_BITS):
        raise InvalidRequest(
            f"Invalid key size {bits}: {SMALLEST_KEY_BITS} to {LARGEST_KEY_BITS} bits, a multiple"
            " of 8."
        )
    return encryption
