"""/volumes/{id}/metadata: words that users attach to volumes (api.md 2)."""

from services.api import rules, volume_lookup
from services.api.metadata import MetadataOf
from services.commands.volume import ChangeVolumeMetadata

METADATA = MetadataOf(
    "volume",
    named=volume_lookup.named,
    change=ChangeVolumeMetadata,
    rules=(
        rules.GET_METADATA,
        rules.CREATE_METADATA,
        rules.UPDATE_METADATA,
        rules.DELETE_METADATA,
    ),
    etags=True,
)

ROUTES = METADATA.routes("/volumes/{volume_id}")
