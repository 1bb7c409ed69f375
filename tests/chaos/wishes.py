"""What clients wish for, and what they know when they have asked."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from tests.chaos.known import NOTHING, Answer, Contents, Known, Thing

BUSY = ("ing", "maintenance", "reserved")
"""How the status of what is under way ends."""
LOOKS = 20
"""How often a client looks whether something is done before it gives up."""
TYPES = ("steel", "stone")
MOST_VOLUMES = 8
"""A client that knows of more in its project deletes before it makes."""


class Client(msgspec.Struct):
    """One of many; what it draws it draws from its own chance."""

    number: int
    known: Known
    chance: random.Random
    images: Mapping[str, str]
    ask: Callable[["Client", str, str, Any], Awaitable[Answer | None]]
    wish: str = ""

    async def post(self, path: str, **body: Any) -> Answer | None:
        """One request."""
        return await self.ask(self, "POST", path, body)

    async def act(self, thing: Thing, **action: Any) -> Answer | None:
        """One action of a volume."""
        return await self.post(f"/volumes/{thing.id}/action", **action)

    async def rest(self, kind: str, thing: Thing) -> str:
        """The status it comes to; empty if it is gone, or does not come to one soon enough."""
        for _ in range(LOOKS):
            got = await self.ask(self, "GET", f"/{kind}/{thing.id}", None)
            if got is not None and got.status == 404:
                return ""
            if got is not None and got.status == 200:
                status: str = got.body[kind[:-1]]["status"]
                if not status.endswith(BUSY):
                    return status
            await asyncio.sleep(0.25)
        return ""


def _new(got: Answer | None, kind: str) -> str | None:
    """The id of what an accepted request made."""
    if got is None or got.status not in (200, 202):
        return None
    id: str = got.body[kind]["id"]
    return id


async def make(client: Client) -> None:
    """A volume, from whatever there is."""
    if len([v for v in client.known.volumes.values() if not v.doomed]) >= MOST_VOLUMES:
        return await delete_volume(client)
    body: dict[str, Any] = {"size": client.chance.choice((1, 1, 2)), "name": "chaos"}
    contents: Contents = frozenset({NOTHING})
    original: Thing | None = None
    source = client.chance.choice(("nothing", "image", "image", "volume", "snapshot", "backup"))
    if source == "image":
        image = client.chance.choice(sorted(client.images))
        body["imageRef"], contents = image, frozenset({client.images[image]})
    elif source != "nothing":
        original = client.known.one(f"{source}s", client.chance)
        if original is None or await client.rest(f"{source}s", original) != "available":
            return None
        field = {"volume": "source_volid"}.get(source, f"{source}_id")
        body[field] = original.id
        body["size"] = max(body["size"], original.size_gib)
    if source in ("nothing", "image") and client.chance.random() < 0.5:
        body["volume_type"] = client.chance.choice(TYPES)
    id = _new(await client.post("/volumes", volume=body), "volume")
    if id is not None:
        contents = original.contents if original else contents
        thing = Thing(id=id, contents=contents, size_gib=body["size"])
        client.known.volumes[id] = thing
        await client.rest("volumes", thing)
    return None


async def _copy(client: Client, kind: str, **more: Any) -> None:
    """A snapshot or backup of some volume."""
    volume = client.known.one("volumes", client.chance)
    if volume is None or await client.rest("volumes", volume) != "available":
        return
    body = {"volume_id": volume.id, "name": "chaos", **more}
    id = _new(await client.post(f"/{kind}s", **{kind: body}), kind)
    if id is not None:
        # what was restored into the volume since it was asked is among its contents by now
        thing = Thing(id=id, contents=volume.contents, of=volume.id, size_gib=volume.size_gib)
        getattr(client.known, f"{kind}s")[id] = thing
        await client.rest(f"{kind}s", thing)


async def take_snapshot(client: Client) -> None:
    await _copy(client, "snapshot")


async def back_up(client: Client) -> None:
    await _copy(client, "backup", incremental=client.chance.random() < 0.3)


async def restore(client: Client) -> None:
    backup = client.known.one("backups", client.chance)
    volume = client.known.one("volumes", client.chance)
    if backup is None or volume is None:
        return
    if await client.rest("backups", backup) != "available":
        return
    # who asks at the same time knows neither whether it comes before or after
    volume.contents |= backup.contents
    await client.post(f"/backups/{backup.id}/restore", restore={"volume_id": volume.id})
    await client.rest("volumes", volume)


async def revert(client: Client) -> None:
    snapshot = client.known.one("snapshots", client.chance)
    volume = client.known.volumes.get(snapshot.of) if snapshot else None
    if snapshot is None or volume is None or await client.rest("volumes", volume) != "available":
        return
    volume.contents |= snapshot.contents
    await client.act(volume, revert={"snapshot_id": snapshot.id})
    await client.rest("volumes", volume)


async def extend(client: Client) -> None:
    volume = client.known.one("volumes", client.chance)
    if volume is None or await client.rest("volumes", volume) != "available":
        return
    volume.size_gib = min(volume.size_gib + 1, 5)
    await client.act(volume, **{"os-extend": {"new_size": volume.size_gib}})
    await client.rest("volumes", volume)


async def retype(client: Client) -> None:
    volume = client.known.one("volumes", client.chance)
    if volume is None or await client.rest("volumes", volume) != "available":
        return
    wish = {"new_type": client.chance.choice(TYPES), "migration_policy": "on-demand"}
    await client.act(volume, **{"os-retype": wish})
    await client.rest("volumes", volume)


async def attach(client: Client) -> None:
    """Also what it leaves behind when it is not answered: somebody detaches that later."""
    volume = client.known.one("volumes", client.chance)
    if volume is None:
        return
    wish = {"volume_uuid": volume.id, "connector": {"host": f"node{client.number}"}}
    id = _new(await client.post("/attachments", attachment=wish), "attachment")
    if id is not None:
        client.known.attachments[id] = volume.id
        await client.post(f"/attachments/{id}/action", **{"os-complete": None})
        if client.chance.random() < 0.7:
            await _detach(client, id)


async def detach(client: Client) -> None:
    if client.known.attachments:
        await _detach(client, client.chance.choice(sorted(client.known.attachments)))


async def _detach(client: Client, id: str) -> None:
    got = await client.ask(client, "DELETE", f"/attachments/{id}", None)
    if got is not None and got.status in (200, 404):
        client.known.attachments.pop(id, None)


async def delete_volume(client: Client) -> None:
    volume = client.known.one("volumes", client.chance)
    if volume is None:
        return
    cascade = "?cascade=true" if client.chance.random() < 0.5 else ""
    await _delete(client, "volumes", volume, cascade)


async def delete_snapshot(client: Client) -> None:
    if snapshot := client.known.one("snapshots", client.chance):
        await _delete(client, "snapshots", snapshot)


async def delete_backup(client: Client) -> None:
    if backup := client.known.one("backups", client.chance):
        await _delete(client, "backups", backup)


async def _delete(client: Client, kind: str, thing: Thing, how: str = "") -> None:
    thing.doomed = thing.tried = True
    got = await client.ask(client, "DELETE", f"/{kind}/{thing.id}{how}", None)
    if got is None or got.status >= 500:
        return
    if got.status in (202, 404):
        getattr(client.known, kind).pop(thing.id, None)
        client.known.forgotten.setdefault(kind, {})[thing.id] = thing
        await client.rest(kind, thing)
    else:
        thing.doomed = False


async def limit(client: Client) -> None:
    """An administrator who changes their mind."""
    wish = {"volumes": client.chance.choice((3, 6, 12)), "gigabytes": client.chance.choice((9, 40))}
    path = f"/os-quota-sets/{client.known.project_id}"
    await client.ask(client, "PUT", path, {"quota_set": wish})


async def look(client: Client) -> None:
    """As a dashboard does."""
    await client.ask(client, "GET", "/volumes/detail?limit=50", None)


class Wish(msgspec.Struct, frozen=True):
    """`often` is its weight among all."""

    often: float
    make: Callable[[Client], Awaitable[None]]


WISHES: Mapping[str, Wish] = {
    "make": Wish(10, make),
    "take snapshot": Wish(4, take_snapshot),
    "back up": Wish(3, back_up),
    "restore": Wish(1.5, restore),
    "revert": Wish(1.5, revert),
    "extend": Wish(3, extend),
    "retype": Wish(2, retype),
    "attach": Wish(3, attach),
    "detach": Wish(2, detach),
    "delete volume": Wish(4, delete_volume),
    "delete snapshot": Wish(2, delete_snapshot),
    "delete backup": Wish(2, delete_backup),
    "limit": Wish(1, limit),
    "look": Wish(2, look),
}
