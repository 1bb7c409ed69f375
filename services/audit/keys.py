"""Encryption keys: the key manager's against the log's, and what is encrypted with its keys."""

from collections.abc import Awaitable, Callable, Iterator
from uuid import UUID

from adapters.key_manager.port import PART, KeyManager, KeyRefused
from domain.aggregates.backup import Backup
from domain.aggregates.backup import encryption as of_backup
from domain.aggregates.encryption_key import EncryptionKey
from domain.aggregates.volume import Volume
from domain.aggregates.volume import encryption as of_volume
from domain.aggregates.volume.under_way import Upload
from domain.errors import Unavailable
from services.audit.replay import Replay
from services.audit.report import Finding, Note

GOING = ("destroying", "destroyed")


def ties(replay: Replay) -> Iterator[Finding]:
    """Everything that is encrypted and its key know each other, and no key outlives what it is
    for."""
    keys = {each.id: each for each in _keys(replay)}
    for owner in (*replay.of_kind(Volume.kind), *replay.of_kind(Backup.kind)):
        assert isinstance(owner, Volume | Backup)
        if owner.encryption is None:
            continue
        name = (
            of_volume.key_of_volume(owner)
            if isinstance(owner, Volume)
            else of_backup.key_of_backup(owner)
        )
        key = keys.pop(name, None)
        if name in replay.damaged:
            continue
        wrong = _wrong(owner, key)
        if wrong:
            yield Finding(kind="key.tie", id=str(owner.id), detail=wrong)
    for key in keys.values():
        wrong = None if UUID(key.owner) in replay.damaged else _needless(key, replay)
        if wrong:
            yield Finding(kind="key.tie", id=str(key.id), detail=wrong)


def _wrong(owner: Volume | Backup, key: EncryptionKey | None) -> str | None:
    if key is None:
        return "is encrypted, and no key was ever asked for"
    if owner.state == "deleted":
        return None if key.state in GOING else f"is deleted, and its key is {key.state}"
    if owner.encryption_key_id != key.key_id:
        return f"has key {owner.encryption_key_id}, which its key says is {key.key_id}"
    if owner.encryption_key_id is not None and key.state != "available":
        return f"is {owner.state}, and its key is {key.state}"
    return None


def _needless(key: EncryptionKey, replay: Replay) -> str | None:
    """What is wrong with a key that nobody has."""
    owner = replay.aggregates.get(UUID(key.owner))
    match owner:
        case _ if key.owner_kind == "image":
            return None if key.state != "requested" else _no_image(key, replay)
        case Backup() if key.owner_kind == "restore":
            waited_for = owner.restoring_key == key.name
        case Volume() if owner.encryption is not None:  # it had that before it was restored
            waited_for = False
        case _:
            return f"is the key of {key.owner_kind} {key.owner}, which is not encrypted"
    if waited_for or key.state in GOING:
        return None
    return f"is the key of {key.owner_kind} {key.owner}, which has another, and it is {key.state}"


def _no_image(key: EncryptionKey, replay: Replay) -> str | None:
    of = replay.aggregates.get(UUID(key.volume_id))
    upload = of.under_way if isinstance(of, Volume) else None
    if isinstance(upload, Upload) and upload.image_id == key.owner:
        return None
    return f"is the key of image {key.owner}, which nobody makes"


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
        for key_id, owner in sorted(self._missing(there).items()):
            if key_id in suspects:
                detail = f"the key manager has no key {key_id}"
                self.findings.append(Finding(kind="key.missing", id=owner, detail=detail))
        for key_id, whose in sorted(self._orphans(there).items()):
            if key_id in suspects:
                self.findings.append(Finding(kind="key.orphan", id=key_id, detail=whose))

    def _missing(self, there: dict[str, str]) -> dict[str, str]:
        """Whose the keys are that should be there and are not, by the key's id."""
        due = {  # that of an image is destroyed by who deletes the image
            each.key_id: each
            for each in _keys(self._replay)
            if each.state == "available" and each.owner_kind != "image"
        }
        return {id: key.owner for id, key in due.items() if id is not None and id not in there}

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
                found[key_id] = f"it is of {key.owner_kind} {key.owner}, whose key is {key.state}"
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
