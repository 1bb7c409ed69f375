"""What requests and answers about QoS specs carry."""

from typing import Annotated

import msgspec
from msgspec import Meta

from services.api.bodies import Name, SpecKey, Words
from services.api.volume_view import Link

KEYS_OF_OURS = ("name", "consumer")
"""What stands beside the specs' own keys."""

Given = dict[SpecKey, Words | None]
"""Name, consumer and the specs' own keys, flat. Null means absent."""


class GivenBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /qos-specs, PUT /qos-specs/{id}."""

    qos_specs: Given


class KeysBody(msgspec.Struct, forbid_unknown_fields=True):
    """PUT /qos-specs/{id}/delete_keys."""

    keys: Annotated[list[Name], Meta(max_length=1000)]


class QosSpecs(msgspec.Struct):
    """QoS specs; the consumer enforces them."""

    id: str
    name: str
    consumer: str
    specs: dict[str, str]


class OneQos(msgspec.Struct):
    """QoS specs, and where they are found."""

    qos_specs: QosSpecs
    links: list[Link]


class QosList(msgspec.Struct, omit_defaults=True):
    """A page of QoS specs."""

    qos_specs: list[QosSpecs]
    qos_specs_links: list[Link] = []


class Changed(msgspec.Struct):
    """What was asked for."""

    qos_specs: dict[str, str]


class Association(msgspec.Struct):
    """A volume type that has them."""

    association_type: str
    name: str
    id: str


class AssociationList(msgspec.Struct):
    """GET /qos-specs/{id}/associations."""

    qos_associations: list[Association]
