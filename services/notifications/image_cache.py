"""What notifications say of images that backends keep, in Cinder's field names."""

import msgspec

from services.notifications.payloads import Seen


class CachedImageNotice(msgspec.Struct, frozen=True):
    """An image that a backend keeps, or is to."""

    image_id: str
    """the image"""
    host: str
    """`host@backend` that keeps it, with the pool where a volume is made from it"""


def the_cached_image(seen: Seen) -> CachedImageNotice:
    """What is made from it, or goes."""
    event = seen.recorded.event
    return CachedImageNotice(event.image_id, event.host)


def the_wanted_image(seen: Seen) -> CachedImageNotice:
    """What was not there."""
    event = seen.recorded.event
    return CachedImageNotice(event.image.id, event.host)
