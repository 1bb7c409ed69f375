"""Encryption keys: the key manager's against the log's, and volumes with their keys."""

from collections.abc import Awaitable, Callable, Iterator
from uuid import UUID

from adapters.key_manager.port import PART, KeyManager, KeyRefused
from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.aggregates.volume import Volume
from domain.errors import Unavailable
from services.audit.replay import Replay
from services.audit.report import Finding, Note


def ties(replay: Replay) -> Iterator[Finding]:
    """Every encrypted volume and its key know each other, and no key outlives its volume."""
    keys = {each.id: each for each in _keys(replay)}
    for volume in replay.of_kind(Volume.kind):
        if not isinstance(volume, Volume) or volume.encryption is None:
            continue
        key = keys.pop(key_of(volume.id), None)
        if key_of(volume.id) in replay.damaged:
            continue
        wrong = _wrong(volume, key)
        if wrong:
            yield Finding(kind="key.tie", id=str(volume.id), detail=wrong)
    for key in keys.values():
        if UUID(key.volume_id) not in replay.damaged:
            detail = f"is the key of volume {key.volume_id}, which is not encrypted"
            yield Finding(kind="key.tie", id=str(key.id), detail=detail)


def _wrong(volume: Volume, key: EncryptionKey | None) -> str | None:
    if key is None:
        return "is encrypted, and no key was ever asked for"
    if volume.state == "deleted":
        going = key.state in ("destroying", "destroyed")
        return None if going else f"is deleted, and its key is {key.state}"
    if volume.encryption_key_id != key.key_id:
        return f"has key {volume.encryption_key_id}, which its key says is {key.key_id}"
    if volume.encryption_key_id is not None and key.state != "available":
        return f"is {volume.state}, and its key is {key.state}"
    return None


class KeyAudit:
    """The key manager, held against a replay that may go on while this looks.

    What looks wrong is only suspected: the log is read on, the keys are listed anew, and what then
    still looks wrong is a finding.
    """

    def __init__(self, replay: Replay, catch_up: Callable[[], Awaitable[None]]) -> None:
        self._replay = replay
        self._catch_up = catch_up
        self.compared = 0
        """How many keys were seen."""
        self.findings: list[Finding] = []
        self.unchecked: list[Note] = []

    async def check(self, keys: KeyManager) -> None:
        """Asks it for all its keys."""
        try:
            await self._check(keys)
        except (KeyRefused, Unavailable) as error:
            self.unchecked.append(Note(kind="keys", id=PART, detail=error.reason))

    async def _check(self, keys: KeyManager) -> None:
        there = await keys.keys()
        self.compared = len(there)
        if not self._missing(there) and not self._orphans(there):
            return
        suspects = self._missing(there).keys() | self._orphans(there).keys()
        await self._catch_up()
        there = await keys.keys()
        for key_id, volume_id in sorted(self._missing(there).items()):
            if key_id in suspects:
                detail = f"the key manager has no key {key_id}"
                self.findings.append(Finding(kind="key.missing", id=volume_id, detail=detail))
        for key_id, whose in sorted(self._orphans(there).items()):
            if key_id in suspects:
                self.findings.append(Finding(kind="key.orphan", id=key_id, detail=whose))

    def _missing(self, there: dict[str, str]) -> dict[str, str]:
        """The volumes of keys that should be there and are not, by the key's id."""
        due = {each.key_id: each for each in _keys(self._replay) if each.state == "available"}
        return {id: key.volume_id for id, key in due.items() if id is not None and id not in there}

    def _orphans(self, there: dict[str, str]) -> dict[str, str]:
        """Keys that nothing accounts for, and what is known of them."""
        found = {}
        for key_id, name in there.items():
            id = _uuid(name)
            key = self._replay.aggregates.get(id) if id else None
            if id in self._replay.damaged:
                continue
            if not isinstance(key, EncryptionKey):
                found[key_id] = f"no key in the log has the name {name}"
            elif not key.wants(key_id):
                found[key_id] = f"its volume is {key.volume_id}, whose key is {key.state}"
        return found


def _keys(replay: Replay) -> Iterator[EncryptionKey]:
    for each in replay.of_kind(EncryptionKey.kind):
        assert isinstance(each, EncryptionKey)
        yield each


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
