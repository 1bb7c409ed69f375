"""Encryption: which is possible, and how volume and key live with each other."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.aggregates import encryption_key as events
from domain.aggregates.encryption_key import EncryptionKey, key_of
from domain.aggregates.volume import Volume
from domain.aggregates.volume.encryption import fix, key_failed, key_made
from domain.encryption import Encryption, checked_encryption
from domain.errors import InvalidRequest, NotAllowed
from tests.support.builders import A_PLACE, PROJECT, a_moment, a_request, an_id, bare

NOW = a_moment(60)
LUKS = Encryption(provider="luks", cipher="aes-xts-plain64", key_size=256)
VOLUME = str(an_id(1))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"control_location": "back-end"},
        {"cipher": "aes", "key_size": 64},
        {"cipher": "serpent-xts-plain64", "key_size": 512},
        {"provider": "nova.volume.encryptors.luks.LuksEncryptor", "key_size": 8192},
        {"cipher": None, "key_size": None},
    ],
)
def test_what_can_be_encrypted_with_is_taken_as_it_is(fields):
    encryption = Encryption(**{"provider": "luks", **fields})
    assert checked_encryption(encryption) == encryption


@pytest.mark.parametrize(
    "fields",
    [
        {"provider": ""},
        {"provider": "  "},
        {"provider": "l" * 256},
        {"provider": "lu\x00ks"},
        {"control_location": "nowhere"},
        {"cipher": ""},
        {"cipher": "-xts"},
        {"cipher": "a" * 256},
        {"cipher": "aes\x00"},
        {"key_size": 0},
        {"key_size": -8},
        {"key_size": 56},
        {"key_size": 100},
        {"key_size": 8200},
    ],
)
def test_what_no_volume_could_be_encrypted_with_is_refused_at_once(fields):
    with pytest.raises(InvalidRequest):
        checked_encryption(Encryption(**{"provider": "luks", **fields}))


@pytest.mark.parametrize(
    ("cipher", "key_size", "key"),
    [
        ("aes-xts-plain64", 128, ("aes", 128)),
        ("serpent-cbc", 512, ("serpent", 512)),
        ("twofish", None, ("twofish", 256)),
        (None, None, ("aes", 256)),
    ],
)
def test_the_key_follows_from_the_cipher(cipher, key_size, key):
    encryption = Encryption(provider="luks", cipher=cipher, key_size=key_size)
    assert (encryption.algorithm, encryption.key_bits) == key


# a key


def a_new_key() -> EncryptionKey:
    return EncryptionKey.request(
        key_of(an_id(1)),
        volume_id=an_id(1),
        owner=an_id(1),
        owner_kind="volume",
        project_id=PROJECT,
        encryption=LUKS,
        at=a_moment(),
    )


def made(key: EncryptionKey) -> None:
    key.made("k", NOW)


def failed(key: EncryptionKey) -> None:
    key.making_failed("sealed", NOW)


def unneeded(key: EncryptionKey) -> None:
    key.request_destruction(NOW)


def destroyed(key: EncryptionKey) -> None:
    key.destroyed(NOW)


Step = Callable[[EncryptionKey], None]

LIVES: dict[str, list[Step]] = {
    "requested": [],
    "available": [made],
    "destroying": [made, unneeded],
    "destroying, never made": [unneeded],
    "destroying, failed": [failed],
    "destroyed": [made, unneeded, destroyed],
}

REQUEST = events.Requested(
    volume_id=VOLUME,
    project_id=PROJECT,
    algorithm="aes",
    bits=256,
    cloned_from=None,
    owner_kind="volume",
    owner=VOLUME,
)
MADE = events.Made(volume_id=VOLUME, key_id="k")
FAILED = events.MakingFailed(volume_id=VOLUME, reason="sealed")

NEXT: list[tuple[str, Step, Any]] = [
    ("requested", made, MADE),
    ("requested", failed, FAILED),
    ("requested", unneeded, events.DestructionRequested(volume_id=VOLUME, key_id=None)),
    ("requested", destroyed, NotAllowed),
    ("available", made, NotAllowed),
    ("available", failed, NotAllowed),
    ("available", unneeded, events.DestructionRequested(volume_id=VOLUME, key_id="k")),
    ("available", destroyed, NotAllowed),
    ("destroying", made, NotAllowed),
    ("destroying", failed, NotAllowed),
    ("destroying", unneeded, None),
    ("destroying", destroyed, events.Destroyed(volume_id=VOLUME, key_id="k")),
    ("destroying, never made", made, NotAllowed),
    ("destroying, never made", destroyed, events.Destroyed(volume_id=VOLUME, key_id=None)),
    ("destroying, failed", unneeded, None),
    ("destroying, failed", destroyed, events.Destroyed(volume_id=VOLUME, key_id=None)),
    ("destroyed", made, NotAllowed),
    ("destroyed", failed, NotAllowed),
    ("destroyed", unneeded, None),
    ("destroyed", destroyed, NotAllowed),
]


def a_key(life: str) -> EncryptionKey:
    key = a_new_key()
    for step in LIVES[life]:
        step(key)
    assert key.state == life.partition(",")[0]
    return key.settled()


def test_a_key_is_asked_for_by_what_its_volume_needs():
    assert bare(a_new_key().pending) == [REQUEST]
    assert a_new_key().id == key_of(an_id(1)) != key_of(an_id(2))


@pytest.mark.parametrize(("life", "step", "outcome"), NEXT)
def test_each_step_of_a_keys_life_is_recorded_or_refused(life, step, outcome):
    key = a_key(life)
    if outcome is NotAllowed:
        with pytest.raises(NotAllowed):
            step(key)
    else:
        step(key)
    assert bare(key.pending) == ([] if outcome in (None, NotAllowed) else [outcome])


@pytest.mark.parametrize(
    ("life", "wants"),
    [
        ("requested", {"k", "other"}),
        ("available", {"k"}),
        ("destroying", {"k", "other"}),
        ("destroyed", set()),
    ],
)
def test_which_keys_of_the_key_manager_may_be_needed(life, wants):
    assert {key_id for key_id in ("k", "other") if a_key(life).wants(key_id)} == wants


def test_a_key_owes_nothing_once_it_is_there_or_gone():
    resting = {life for life in LIVES if a_key(life).at_rest}
    assert resting == {"available", "destroyed"}


# its volume


def an_encrypted_volume() -> Volume:
    volume = a_request()
    fix(volume, LUKS, a_moment())
    return volume.settled()


def test_an_encrypted_volume_is_placed_once_it_has_its_key():
    volume = an_encrypted_volume()
    with pytest.raises(NotAllowed, match="without a key"):
        volume.place(A_PLACE, NOW)
    assert not volume.pending
    key_made(volume, "k", NOW)
    volume.place(A_PLACE, NOW)
    assert (volume.state, volume.encryption, volume.encryption_key_id) == ("placed", LUKS, "k")


def test_one_that_goes_to_another_backend_keeps_its_key():
    volume = an_encrypted_volume()
    key_made(volume, "k", NOW)
    volume.place(A_PLACE, NOW, most=2)
    attempt = volume.start_provisioning("w", NOW)
    volume.provisioning_failed(attempt, "full", NOW, elsewhere=True)
    volume.place(A_PLACE, NOW, most=2)
    assert (volume.state, volume.encryption_key_id) == ("placed", "k")


def test_one_without_a_key_is_in_error_and_can_be_deleted():
    volume = an_encrypted_volume()
    key_failed(volume, "sealed", NOW)
    assert volume.state == "error"
    volume.request_deletion(NOW)
    volume.deleted(NOW)
    assert volume.state == "deleted"


def test_a_key_that_comes_too_late_is_refused():
    volume = an_encrypted_volume()
    volume.request_deletion(NOW)
    with pytest.raises(NotAllowed):
        key_made(volume, "k", NOW)
