"""QoS specs as they can be asked for: the table, how events change it, and the queries."""

from datetime import datetime
from uuid import UUID

import msgspec
from sqlalchemy import Column, MetaData, Table, Uuid

from domain.aggregates import qos_specs
from domain.event import Recorded
from projections.columns import Instant, Pairs, words
from projections.listing import Listing
from projections.projection import Drop, Patch, Projection, Put


def _table(name: str, metadata: MetaData) -> Table:
    return Table(
        name,
        metadata,
        Column("id", Uuid, primary_key=True),
        Column("name", words(), nullable=False),
        Column("consumer", words(), nullable=False),
        Column("specs", Pairs, nullable=False),
        Column("created_at", Instant, nullable=False),
    )


QOS_SPECS = Projection("qos_specs", version=1, build=_table)


@QOS_SPECS.projects(qos_specs.Created)
def created(recorded: Recorded[qos_specs.Created]) -> Put:
    event = recorded.event
    return Put(
        recorded.aggregate_id,
        {
            "id": recorded.aggregate_id,
            "name": event.name,
            "consumer": event.consumer,
            "specs": event.specs,
            "created_at": recorded.moment.at,
        },
    )


@QOS_SPECS.projects(qos_specs.Changed)
def changed(recorded: Recorded[qos_specs.Changed]) -> Patch:
    event = recorded.event
    return Patch(recorded.aggregate_id, {"consumer": event.consumer, "specs": event.specs})


@QOS_SPECS.projects(qos_specs.Deleted)
def deleted(recorded: Recorded[qos_specs.Deleted]) -> Drop:
    return Drop(recorded.aggregate_id)


class QosSpecsRow(msgspec.Struct, frozen=True):
    """QoS specs. Times in UTC."""

    id: UUID
    name: str
    consumer: str
    specs: dict[str, str]
    created_at: datetime


QOS_SPECS_LIST = Listing(QOS_SPECS, QosSpecsRow, "qos_specs", hidden=("specs",))
find, page = QOS_SPECS_LIST.find, QOS_SPECS_LIST.page
