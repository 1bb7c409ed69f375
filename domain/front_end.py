"""Limits that QoS specs put on whoever uses a volume. Source: Cinder's front-end QoS specs."""

from collections.abc import Mapping

PER_GIB = "_per_gb"


def front_end_limits(
    consumer: str, specs: Mapping[str, str], *, size_gib: int
) -> dict[str, str] | None:
    """The specs that the user of a volume of that size has to keep to; None if the backend does.

    What is given per GiB is multiplied, and kept within its `…_per_gb_min` and `…_max`.
    """
    if consumer == "back-end":
        return None
    bounds = {f"{name}_min" for name in specs if name.endswith(PER_GIB)}
    limits: dict[str, str] = {}
    for name, value in specs.items():
        if name in bounds:
            continue
        limit = name.removesuffix(PER_GIB)
        number = _number(value)
        if limit == name or number is None:
            limits[name] = value
            continue
        least, most = _number(specs.get(f"{name}_min")), _number(specs.get(f"{limit}_max"))
        number = max(number * size_gib, least or 0)
        limits[limit] = str(number if most is None else min(number, most))
    return limits


def _number(text: str | None) -> int | None:
    return int(text) if text is not None and text.isascii() and text.isdigit() else None
