"""OpenStack's Glance, through openstacksdk. Needs the extra `glance`.

Asked in threads, since the SDK waits; nothing here waits longer than its time limit. What the
project of a request may see is decided here (`port.may_see`): we ask with credentials of ours.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from uuid import UUID

import msgspec
import openstack
import requests
import urllib3
from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session

from adapters.drivers.feed import BrokenOff, Feed
from adapters.image_service.port import (
    CHUNK_BYTES,
    PART,
    Image,
    ImageRefused,
    NewImage,
    Stream,
    may_see,
)
from domain.errors import NotFound, Unavailable

CONCURRENT_CALLS = 16
"""Threads; they mostly wait."""

CORE = {
    *("id", "name", "owner", "disk_format", "container_format", "visibility", "protected"),
    *("min_disk", "min_ram", "status", "size", "virtual_size", "checksum", "os_hash_algo"),
    *("os_hash_value", "os_hidden", "created_at", "updated_at", "tags", "self", "file", "schema"),
    *("direct_url", "locations", "stores"),
}
"""What Glance says of every image; all else are properties."""

T = TypeVar("T")


class GlanceImageService:
    """Asks the Glance whose API of version 2 `reach` finds, in a thread, whenever it is asked.

    `timeout_s` is how long one answer may take, and CHUNK_BYTES of an image.
    """

    def __init__(self, reach: Callable[[], Adapter], *, timeout_s: float) -> None:
        self._reach = reach
        self._timeout_s = timeout_s
        self._threads = ThreadPoolExecutor(CONCURRENT_CALLS, thread_name_prefix="glance")

    async def find(self, name_or_id: str, *, project_id: str) -> Sequence[Image]:
        try:
            return [await self.show(name_or_id, project_id=project_id)]
        except NotFound:
            pass
        found: list[Image] = []
        path: str | None = "/images"
        query = {"name": _as_filter(name_or_id), "limit": "100"}
        while path:
            page = await self._json("GET", path, params=query)
            found += [_image(each) for each in page["images"]]
            path, query = (page.get("next") or "").removeprefix("/v2"), {}
        found = [each for each in found if each.name == name_or_id]
        return [each for each in found if await self._visible(each, project_id)]

    async def show(self, image_id: str, *, project_id: str | None) -> Image:
        image = _image(await self._json("GET", _path(image_id)))
        if not await self._visible(image, project_id):
            raise NotFound(kind="image", id=image_id)
        return image

    async def read(self, image_id: str, *, start: int = 0) -> Stream:
        path = _path(image_id) + "/file"
        headers = {"Accept": "application/octet-stream"}
        if start:
            headers["Range"] = f"bytes={start}-"
        answer = await self._ask("GET", path, headers=headers, stream=True)
        try:
            if answer.status_code == 204:
                raise ImageRefused(f"image {image_id} has no content")
            if answer.status_code == 416:
                return
            if start and answer.status_code != 206:
                raise ImageRefused("it gives no part of an image")  # and so nothing is resumed
            chunks = self._chunks(answer)
            while chunk := await self._in_thread(lambda: next(chunks, b"")):
                yield chunk
        finally:
            answer.close()

    async def file(self, image_id: str) -> None:
        """Wherever Glance keeps it, Glance gives it."""
        return None

    async def create(self, image: NewImage, *, image_id: UUID | None = None) -> str:
        body: dict[str, Any] = dict(image.properties)
        body |= {
            name: getattr(image, name)
            for name in NewImage.__struct_fields__
            if name != "properties"
        }
        if image_id is None:
            return str((await self._json("POST", "/images", json=body))["id"])
        try:
            created = await self._json("POST", "/images", json={**body, "id": str(image_id)})
        except ImageRefused as refused:
            try:  # somebody was here before
                return (await self.show(str(image_id), project_id=None)).id
            except NotFound:
                raise refused from None
        return str(created["id"])

    async def upload(self, image_id: str, content: AsyncIterator[bytes]) -> None:
        path, feed, sent = _path(image_id) + "/file", Feed(content), 0
        headers = {"Content-Type": "application/octet-stream"}

        def counted() -> Iterator[bytes]:
            nonlocal sent
            for chunk in feed:
                sent += len(chunk)
                yield chunk

        try:
            await self._in_thread(lambda: self._asked("PUT", path, headers=headers, data=counted()))
        except BrokenOff as broken:
            raise broken.cause from None
        finally:
            feed.end()
        kept = await self.show(image_id, project_id=None)
        if (kept.status, kept.size) != ("active", sent):
            # A request that is sent again, as after a token expired, has nothing left to send
            reason = f"of {sent} bytes it kept {kept.size}, and is {kept.status}"
            raise Unavailable(part=PART, reason=reason)

    async def delete(self, image_id: str) -> None:
        try:
            try:
                await self._ask("DELETE", _path(image_id))
            except ImageRefused:
                image = await self.show(image_id, project_id=None)
                if not image.protected or image.status not in ("queued", "saving"):
                    raise
                await self._unprotect(image_id)
                await self._ask("DELETE", _path(image_id))
        except NotFound:
            return

    async def _unprotect(self, image_id: str) -> None:
        change = b'[{"op": "replace", "path": "/protected", "value": false}]'
        headers = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
        await self._ask("PATCH", _path(image_id), data=change, headers=headers)

    async def close(self) -> None:
        await asyncio.to_thread(self._threads.shutdown, cancel_futures=True)

    async def _visible(self, image: Image, project_id: str | None) -> bool:
        if may_see(image, project_id) or image.visibility != "shared":
            return may_see(image, project_id)
        try:
            member = await self._json("GET", f"{_path(image.id)}/members/{project_id}")
        except NotFound:
            return False
        return may_see(image, project_id, members=[member["member_id"]])

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        def asked() -> dict[str, Any]:
            answer = self._asked(method, path, **request)
            try:
                return dict(answer.json())
            except (ValueError, TypeError) as error:
                raise Unavailable(part=PART, reason="it does not speak as Glance") from error

        return await self._bounded(asked)

    async def _ask(self, method: str, path: str, **request: Any) -> requests.Response:
        return await self._bounded(lambda: self._asked(method, path, **request))

    async def _bounded(self, work: Callable[[], T]) -> T:
        """Also for an answer that comes byte by byte, which the limit of a socket does not end."""
        try:
            return await asyncio.wait_for(self._in_thread(work), 2 * self._timeout_s)
        except TimeoutError:
            raise Unavailable(part=PART, reason="it takes too long to answer") from None

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _asked(self, method: str, path: str, **request: Any) -> requests.Response:
        with _failures(path):
            answer: requests.Response = self._reach().request(
                path,
                method,
                timeout=self._timeout_s,
                connect_retries=0,
                raise_exc=False,
                **request,
            )
        if answer.status_code >= 400 and answer.status_code != 416:
            with answer:
                _raise_for(answer, path)
        return answer

    def _chunks(self, answer: requests.Response) -> Iterator[bytes]:
        """CHUNK_BYTES at a time. What has come is given before what went wrong is raised."""
        parts: list[bytes] = []
        missing, ends = CHUNK_BYTES, time.monotonic() + self._timeout_s
        try:
            with _failures("the image"):
                while part := answer.raw.read1(missing):
                    parts.append(part)
                    missing -= len(part)
                    if missing and time.monotonic() > ends:
                        raise Unavailable(part=PART, reason="it gives an image too slowly")
                    if not missing:
                        yield b"".join(parts)
                        parts.clear()
                        missing, ends = CHUNK_BYTES, time.monotonic() + self._timeout_s
        except Unavailable:
            if parts:
                yield b"".join(parts)
            raise
        if parts:
            yield b"".join(parts)


def opened(*, cloud: str, endpoint: str, timeout_s: float) -> GlanceImageService:
    """Of a cloud in clouds.yaml, or else at an endpoint that asks for no authentication.

    Raises Unavailable if the configuration cannot be used; the service itself may be away.
    """
    if not cloud:
        plugin = NoAuth(endpoint=f"{endpoint.rstrip('/').removesuffix('/v2')}/v2")
        adapter = Adapter(Session(auth=plugin), service_type="image")
        return GlanceImageService(lambda: adapter, timeout_s=timeout_s)
    try:
        connection = openstack.connect(cloud=cloud)
    except (openstack.exceptions.SDKException, exceptions.ClientException, OSError) as error:
        raise Unavailable(part=PART, reason=str(error)) from error
    # Finding the service asks Keystone, which may be away by now and back later
    return GlanceImageService(lambda: connection.image, timeout_s=timeout_s)


def _path(image_id: str) -> str:
    """Of an image. Raises NotFound for what is no id: nothing else gets into a path."""
    try:
        return f"/images/{UUID(image_id)}"
    except ValueError:
        raise NotFound(kind="image", id=image_id) from None


def _as_filter(name: str) -> str:
    """A name that begins like Glance's list of names is given as a list of one."""
    return f'in:"{name}"' if name.startswith("in:") else name


def _image(said: Mapping[str, Any]) -> Image:
    """Raises Unavailable for what is no description of an image."""
    core = {name: said.get(name) for name in Image.__struct_fields__ if name != "properties"}
    for name in ("name", "owner", "disk_format", "container_format"):
        core[name] = core[name] or ""
    others = {name: str(v) for name, v in said.items() if name not in CORE and v is not None}
    try:
        return msgspec.convert({**core, "properties": others}, Image)
    except msgspec.ValidationError as error:
        raise Unavailable(part=PART, reason=f"it does not speak as Glance: {error}") from error


def _raise_for(answer: requests.Response, path: str) -> None:
    """What Glance's refusals mean."""
    status = answer.status_code
    if status in (404, 410):
        raise NotFound(kind="image", id=path.split("/")[2])
    if status == 401:
        raise Unavailable(part=PART, reason="it does not accept our credentials")
    if status >= 500 or status in (408, 429):
        raise Unavailable(part=PART, reason=f"it answers {status}")
    raise ImageRefused(f"{status} {_said(answer)}")


def _said(answer: requests.Response) -> str:
    """The sentence in Glance's page of an error."""
    text = answer.text.rpartition("</h1>")[2] or answer.text
    words = text.replace("<br />", " ").replace("</body>", " ").replace("</html>", " ").split()
    return " ".join(words)[:300]


@contextmanager
def _failures(what: str) -> Iterator[None]:
    """What the SDK and the libraries below it raise for a service that is away or breaks off."""
    try:
        yield
    except exceptions.Unauthorized as error:
        raise Unavailable(part=PART, reason="it does not accept our credentials") from error
    except (
        exceptions.ClientException,
        openstack.exceptions.SDKException,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        reason = f"{what} does not come: {type(error).__name__}: {error}"
        raise Unavailable(part=PART, reason=reason) from error
