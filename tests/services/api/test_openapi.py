"""The description of the API is true: it lists what is routed, and generated requests agree."""

import asyncio
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from services.api import metering, projects
from services.api.app import ROUTES, build
from services.api.openapi import description
from services.commands.volume_type import EnsureDefaultVolumeType
from services.settings import Settings
from tests.services.api.stage import StagedApplication

EVERY = (*ROUTES, *projects.ROUTES, metering.ROUTE)
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


def test_every_route_is_described_and_nothing_else():
    described = {
        (method.upper(), path)
        for path, methods in description(EVERY)["paths"].items()
        for method in methods
    }
    routed = {
        (route.method, ("/v3" if route.versioned else "") + route.path.replace("...}", "}"))
        for route in EVERY
    }
    assert described == routed


def test_operations_have_names_of_their_own():
    names = [
        operation["operationId"]
        for methods in description(EVERY)["paths"].values()
        for operation in methods.values()
    ]
    assert len(names) == len(set(names))


def test_constraints_are_those_that_refuse():
    schemas = description(EVERY)["components"]["schemas"]
    size, null = schemas["NewVolume"]["properties"]["size"]["anyOf"]
    assert (size["minimum"], size["maximum"]) == (1, 2**31 - 1)
    assert null == {"type": "null"}
    assert schemas["Extend"]["required"] == ["new_size"]


@pytest.fixture(scope="module")
def operations(tmp_path_factory):
    """What can be asked, by method and path, of an API that has a type and no volume."""
    application = StagedApplication(tmp_path_factory.mktemp("api"), Settings())
    command = EnsureDefaultVolumeType(name="__DEFAULT__", at=application.moment())
    asyncio.run(application.execute(command))
    schema = schemathesis.openapi.from_asgi("/openapi.json", build(application))
    found: list[Any] = list(schema.get_all_operations())
    yield {each.ok().label: each.ok() for each in found}
    asyncio.run(application.views.close())
    application.engine.dispose()


LABELS = [
    f"{method.upper()} {path}"
    for path, methods in description(EVERY)["paths"].items()
    for method in methods
]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
@pytest.mark.parametrize("label", LABELS)
def test_generated_requests_get_answers_as_described(operations, label, mode):
    operation = operations[label]

    @seed(1)
    @settings(
        max_examples=20,
        deadline=None,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def asked(case):
        case.call_and_validate(checks=CHECKS)

    try:
        asked()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE  # what takes nothing cannot be asked wrongly
