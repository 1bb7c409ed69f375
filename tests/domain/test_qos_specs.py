"""QoS specs and default types of the catalogue."""

import msgspec
import pytest

from domain.aggregates import default_type, qos_specs
from domain.aggregates.default_type import DefaultType, default_id
from domain.aggregates.qos_specs import QosSpecs
from domain.errors import InUse, InvalidRequest, NotAllowed, NotFound
from tests.support.builders import A_TYPE, PROJECT, a_moment, an_id, bare

NOW = a_moment(60)
QOS = an_id(0x0905)


def some_qos() -> QosSpecs:
    return QosSpecs.create(
        QOS, name="brisk", consumer="back-end", specs={"iops": "500"}, at=a_moment()
    ).settled()


def test_keys_are_merged_removed_and_the_consumer_is_kept():
    qos = some_qos()
    qos.change({"bytes": "9"}, NOW)
    qos.change({}, NOW, consumer="both")
    qos.change({"bytes": "9"}, NOW, consumer="both")
    qos.remove_keys({"iops"}, NOW)
    assert bare(qos.pending) == [
        qos_specs.Changed(consumer="back-end", specs={"iops": "500", "bytes": "9"}),
        qos_specs.Changed(consumer="both", specs={"iops": "500", "bytes": "9"}),
        qos_specs.Changed(consumer="both", specs={"bytes": "9"}),
    ]


def test_a_key_that_is_not_there_cannot_be_removed():
    qos = some_qos()
    with pytest.raises(NotFound):
        qos.remove_keys({"iops", "bytes"}, NOW)
    assert qos.pending == []


def test_a_key_with_blanks_is_refused():
    with pytest.raises(InvalidRequest):
        some_qos().change({"a b": "1"}, NOW)


def test_specs_that_a_type_has_stay():
    qos = some_qos()
    qos.associate(A_TYPE, NOW)
    with pytest.raises(InUse):
        qos.delete(NOW)
    qos.disassociate(A_TYPE, NOW)
    qos.delete(NOW)
    assert qos.state == "deleted"
    with pytest.raises(NotFound):
        qos.existing()
    with pytest.raises(NotAllowed):
        qos.associate(A_TYPE, NOW)


def test_replay_and_snapshots_equal_what_was_lived():
    qos = QosSpecs.create(QOS, name="brisk", consumer="both", specs={}, at=a_moment())
    qos.associate(A_TYPE, NOW)
    kept = qos.settled()
    assert QosSpecs.from_history(QOS, qos.pending) == kept
    assert msgspec.json.decode(msgspec.json.encode(kept), type=QosSpecs) == kept


def test_a_project_has_one_default_which_can_be_chosen_anew():
    chosen = DefaultType(id=default_id(PROJECT))
    with pytest.raises(NotAllowed):
        chosen.unset(NOW)
    for type_id in (A_TYPE, A_TYPE, an_id(2)):
        chosen.choose(PROJECT, type_id, NOW)
    chosen.unset(NOW)
    assert chosen.volume_type_id is None
    chosen.choose(PROJECT, A_TYPE, NOW)
    ids = [str(A_TYPE), str(an_id(2)), str(A_TYPE)]
    first, second, third = (
        default_type.Chosen(project_id=PROJECT, volume_type_id=id) for id in ids
    )
    gone = default_type.Unset(project_id=PROJECT, volume_type_id=ids[1])
    assert bare(chosen.pending) == [first, second, gone, third]
    assert DefaultType.from_history(chosen.id, chosen.pending) == chosen.settled()
