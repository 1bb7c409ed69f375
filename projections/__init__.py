"""What can be asked: read models, each a table and the folds that fill it from the log."""

from projections.projection import Projection
from projections.volume_types import VOLUME_TYPES
from projections.volumes import VOLUMES

__all__ = ["PROJECTIONS", "VOLUMES", "VOLUME_TYPES"]

PROJECTIONS: tuple[Projection, ...] = (VOLUMES, VOLUME_TYPES)
