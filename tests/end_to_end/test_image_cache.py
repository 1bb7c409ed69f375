"""`lapilli serve` with a backend that keeps images, out of a directory of images."""

import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from services.settings import ImageCache
from tests.end_to_end.test_images import put
from tests.end_to_end.test_notifications import listening
from tests.support.deployment import Serve, running, until

KEEPS_ONE = {"driver": "file", "image_cache": True, "image_cache_max_count": 1}
OF_IMAGES = "image_volume_cache"
MISSED, HIT, EVICTED = f"{OF_IMAGES}.miss", f"{OF_IMAGES}.hit", f"{OF_IMAGES}.evict"


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Serve]:
    backends = json.dumps({"files": KEEPS_ONE})
    with running(Serve(tmp_path, env={"LAPILLI_BACKENDS": backends})) as deployment:
        yield deployment


def made(serve: Serve, image: str, *names: str) -> list[str]:
    """The ids of volumes that are asked for at once, and are there."""
    ids = []
    for name in names:
        wanted = {"size": 1, "imageRef": image, "name": name}
        status, answer = serve.request("POST", "/volumes", {"volume": wanted})
        assert status == 202, answer
        ids.append(answer["volume"]["id"])

    def all_there() -> bool:
        status = {each["id"]: each["status"] for each in serve.volumes()}
        return {status[id] for id in ids} == {"available"}

    until(all_there, what="available volumes")
    return ids


def hold(serve: Serve, ids: Sequence[str], content: bytes) -> bool:
    files = serve.directory / "data" / "files" / "files"
    return all((files / f"volume-{id}").open("rb").read(len(content)) == content for id in ids)


def kept(serve: Serve) -> list[dict[str, Any]]:
    """What keeps images, as an administrator sees it."""
    every = serve.request("GET", "/volumes/detail?all_tenants=1")[1]["volumes"]
    of_cache = ImageCache().project_id
    return [each for each in every if each["os-vol-tenant-attr:tenant_id"] == of_cache]


def test_an_image_is_fetched_once_for_all_that_want_it_until_it_changes_or_makes_room(
    serve: Serve, tmp_path: Path
) -> None:
    images = tmp_path / "data" / "images"
    first, changed, other = (os.urandom(3 << 20) for _ in range(3))
    put(images, "rocky.raw", first)
    put(images, "alma.raw", other)

    def told(path: Path) -> Counter[str]:
        return Counter(json.loads(line)["type"] for line in path.read_text().splitlines())

    with listening(serve, tmp_path / "heard", "--since", "1h", "--type", OF_IMAGES):
        heard = tmp_path / "heard"
        ids = made(serve, "rocky", *(f"one of five, {n}" for n in range(5)))
        assert hold(serve, ids, first)
        until(lambda: told(heard) == {MISSED: 1, HIT: 5}, what="one fetch and five clones")

        [volume] = kept(serve)
        assert volume["name"].startswith("image-")
        assert len(serve.volumes()) == 5  # users do not see what keeps images
        assert serve.request("GET", "/limits")[1]["limits"]["absolute"]["totalVolumesUsed"] == 5

        put(images, "rocky.raw", changed)
        assert hold(serve, made(serve, "rocky", "of the new one"), changed)
        assert hold(serve, made(serve, "alma", "of another one"), other)
        until(
            lambda: told(heard) == {MISSED: 3, HIT: 7, EVICTED: 2}, what="two fetches, two evicted"
        )
    until(lambda: len(kept(serve)) == 1, what="evicted volumes gone")
    assert hold(serve, [kept(serve)[0]["id"]], other)
    why = serve.cli("history", ids[0]).stdout
    assert "cached_image_claimed" in why and "download_progressed" not in why
    verified = serve.cli("verify", "--at-rest", "--json")
    assert verified.returncode == 0, verified.stdout
