"""An offer to another project: who may take it, and that it is taken once."""

from collections.abc import Callable
from typing import Any

import pytest

from domain.aggregates.transfer import Transfer, digest
from domain.aggregates.volume import offering
from domain.errors import InvalidRequest, NotAllowed, NotFound
from services.audit.replay import at_rest
from tests.support.builders import PROJECT, USER, a_moment, a_volume, an_id

NOW = a_moment(60)
KEY = "0123456789abcdef"


def an_offer(then: Callable[[Transfer], Any] = lambda t: None) -> Transfer:
    transfer = Transfer.offer(
        an_id(9), volume_id=an_id(1), project_id=PROJECT, user_id=USER, name=None,
        salt="salt", key=KEY, no_snapshots=False, at=NOW,
    )  # fmt: skip
    then(transfer)
    return transfer.settled()


def accept(transfer: Transfer, key: str = KEY) -> None:
    transfer.accept(key, project_id="another", user_id="bob", at=NOW)


def test_whoever_has_the_key_can_take_it():
    transfer = an_offer()
    accept(transfer)
    assert transfer.state == "accepted"


def test_a_wrong_key_is_refused_and_changes_nothing():
    transfer = an_offer()
    with pytest.raises(InvalidRequest, match="auth key"):
        accept(transfer, "fedcba9876543210")
    assert transfer == an_offer()


def test_the_key_is_nowhere_in_the_log():
    transfer = Transfer.offer(
        an_id(9), volume_id=an_id(1), project_id=PROJECT, user_id=USER, name=None,
        salt="salt", key=KEY, no_snapshots=False, at=NOW,
    )  # fmt: skip
    assert KEY not in repr(transfer.pending)
    assert digest("salt", KEY) in repr(transfer.pending)
    assert digest("salt", KEY) != digest("pepper", KEY)


@pytest.mark.parametrize("end", [accept, lambda t: t.withdraw("no more", NOW)])
def test_what_is_over_can_be_neither_accepted_nor_withdrawn(end):
    transfer = an_offer(end)
    with pytest.raises(NotFound):
        accept(transfer)
    with pytest.raises(NotFound):
        transfer.withdraw("again", NOW)


def test_an_offer_that_nobody_takes_leaves_nobody_owing_anything():
    assert at_rest(an_offer())


def test_only_its_project_sees_it():
    assert an_offer().visible_to(PROJECT) == an_offer().visible_to(None) == an_offer()
    with pytest.raises(NotFound):
        an_offer().visible_to("another")


def test_a_volume_on_offer_waits_and_nothing_else_is_done_to_it():
    volume = a_volume()
    offering.offer(volume, str(an_id(9)), NOW)
    assert (volume.status, volume.at_rest) == ("awaiting-transfer", True)
    for wanted in (
        lambda: volume.request_deletion(NOW),
        lambda: offering.offer(volume, str(an_id(8)), NOW),
    ):
        with pytest.raises(NotAllowed, match="awaiting-transfer"):
            wanted()


def test_a_transferred_volume_belongs_to_who_pays_for_it():
    volume = a_volume()
    offering.offer(volume, str(an_id(9)), NOW)
    offering.transfer(volume, project_id="another", user_id="bob", reservation_id="r2", at=NOW)
    assert (volume.project_id, volume.reservations) == ("another", ["r2"])
    assert (volume.status, volume.under_way) == ("available", None)


@pytest.mark.parametrize("act", [offering.withdraw, None])
def test_only_what_is_offered_can_be_withdrawn_or_transferred(act):
    volume = a_volume()
    with pytest.raises(NotAllowed, match="must be awaiting-transfer"):
        if act is None:
            offering.transfer(volume, project_id="p", user_id="u", reservation_id="r", at=NOW)
        else:
            act(volume, NOW)
