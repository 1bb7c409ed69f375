"""How events of volumes that older versions wrote are read today."""

from typing import Any

from domain.codec import upcasts

Fields = dict[str, Any]


@upcasts("volume.requested", from_version=1)
def requested(fields: Fields) -> Fields:
    """Hints had no effect and were not kept; a zone that was asked for was the only one."""
    zone = fields.get("availability_zone")
    return {**fields, "zones": [zone] if zone else [], "hints": {}}


@upcasts("volume.placed", from_version=1)
def placed(fields: Fields) -> Fields:
    """There was one attempt, and the weight was the room that was left."""
    return {**fields, "decision": _decision(fields["decision"]), "number": 1, "most": 1}


@upcasts("volume.placement_failed", from_version=1)
def placement_failed(fields: Fields) -> Fields:
    """As `placed`."""
    return {**fields, "decision": _decision(fields["decision"]), "number": 1, "most": 1}


@upcasts("volume.provisioning_failed", from_version=1)
def provisioning_failed(fields: Fields) -> Fields:
    """The only backend that tried was this one."""
    return {**fields, "tried": [{"pool": fields["host"], "reason": fields["reason"]}]}


@upcasts("volume.creation_cancelled", from_version=1)
def creation_cancelled(fields: Fields) -> Fields:
    """Whoever was making it was always waited for."""
    return {**fields, "reason": None}


@upcasts("volume.extension_refused", from_version=1)
def extension_refused(fields: Fields) -> Fields:
    """It was only refused before anything was promised."""
    return {**fields, "promised_gib": 0}


@upcasts("volume.retype_requested", from_version=1)
def retype_requested(fields: Fields) -> Fields:
    """No volume had snapshots."""
    return {**fields, "snapshots": {}}


def _decision(fields: Fields) -> Fields:
    verdicts = [_verdict(each) for each in fields["candidates"]]
    read = {**fields, "candidates": verdicts, "weighers": ["CapacityWeigher"]}
    if "chosen" in fields:
        read["chosen"] = _verdict(fields["chosen"])
    return read


def _verdict(fields: Fields) -> Fields:
    return {**fields, "raw": [fields["weight"]]} if "weight" in fields else fields
