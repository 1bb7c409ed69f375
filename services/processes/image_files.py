"""Images that are files of this machine, on their short way to a volume."""

import asyncio
import os

from adapters.drivers.content import fingerprint
from adapters.drivers.contract import Driver, DriverFailure, Provisioned, VolumeSpec
from adapters.image_service.port import ImageFile
from adapters.images import formats
from adapters.images.verified import FileCheck
from domain.image import ChosenImage
from services.processes.image_bytes import Progress


async def copied(
    driver: Driver, image: ImageFile, said: ChosenImage, into: VolumeSpec, progress: Progress
) -> Provisioned | None:
    """Makes the volume with a raw image, once what it is going to hold is what was described.

    None where the driver takes no files. Raises ImageUnacceptable, ImageDiffers, ImageRefused,
    DriverFailure, also if there is a volume that holds something else; and what `progress` does.
    """
    head = await asyncio.to_thread(os.pread, image.file.fileno(), formats.HEAD_BYTES, 0)
    formats.refuse_other_than(said.disk_format, head)
    check = FileCheck(image)
    copying = driver.copy_file(into, image.file, first_bytes=image.size, check=check)
    try:
        made = await progress.beside(copying, lambda: check.position)
    finally:
        check.end()
    if made is None or check.passed:
        return made
    # It was there, by an attempt that died before it could say so
    if await fingerprint(driver.read(into)) != image.fingerprint:
        raise DriverFailure(f"{into.object_name} does not hold its image", False)
    return made
