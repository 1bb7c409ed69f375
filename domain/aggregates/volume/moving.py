"""What retypes and migrations share: the volume arrives at another pool (lifecycles 6)."""

from domain.aggregates.move import Move
from domain.aggregates.volume.volume import Volume, evolves
from domain.event import Event, Moment, event

NEEDS_COMPUTE = (
    "it is attached, and to move it the compute service would have to swap it under its server;"
    " there is none here that does"
)

IS_REACHED = "a node may reach it where it is; its connections have to end first"


@event("volume.moved")
class Moved(Event, frozen=True):
    """It lives on `host` from now on, under the id it always had. What may still be of it on
    `from_host`, where it was by placement `left_number`, is a remnant. GiB."""

    host: str
    from_host: str
    availability_zone: str
    provider_id: str | None
    size_gib: int
    number: int
    left_number: int


def arrive(volume: Volume, move: Move, provider_id: str | None, at: Moment) -> None:
    """It is at the target of the move, all of it; its source has to be left as a remnant."""
    volume.record(
        Moved(
            host=move.target,
            from_host=move.from_host,
            availability_zone=move.availability_zone,
            provider_id=provider_id,
            size_gib=volume.size_gib,
            number=move.number,
            left_number=volume.placed_as,
        ),
        at,
    )


@evolves(Moved)
def _moved(volume: Volume, event: Moved, at: Moment) -> None:
    volume.host, volume.availability_zone = event.host, event.availability_zone
    volume.placed_as = event.number
