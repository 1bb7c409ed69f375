"""Quota arithmetic: what is admitted, what is refused and in which words, what the log adds up to.

Source of the rules: Cinder's quota engine (lifecycles 2).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.aggregates import quota_limits, quota_reservation
from domain.aggregates.quota_limits import DEFAULT_CLASS, quota_class
from domain.errors import LimitBelowUsage, Over, OverQuota
from domain.event import Event
from domain.quota import (
    MAX_USAGE,
    UNLIMITED,
    Entry,
    Ledger,
    Usage,
    entries,
    new_limits,
    of_type,
    sentence,
    settle,
)
from tests.support.builders import NO_PLACE, PROJECT, a_moment

DEFAULTS = {"volumes": 10, "gigabytes": 100, "per_volume_gigabytes": UNLIMITED}


def reserved(project_id: str = PROJECT, *, largest_gib: int = 1, **amounts: int) -> Event:
    return quota_reservation.Reserved(
        project_id=project_id, subject="s", amounts=amounts, largest_gib=largest_gib
    )


def held(project_id: str = PROJECT, *, largest_gib: int = 1, **amounts: int) -> Event:
    return quota_reservation.Held(
        project_id=project_id,
        subject="s",
        subject_kind="volume",
        amounts=amounts,
        largest_gib=largest_gib,
        deadline=a_moment(60).at,
    )


def settled(outcome: str, project_id: str = PROJECT, **amounts: int) -> Event:
    cls = {
        "committed": quota_reservation.Committed,
        "rolled_back": quota_reservation.RolledBack,
        "expired": quota_reservation.Expired,
        "released": quota_reservation.Released,
    }[outcome]
    return cls(project_id=project_id, subject="s", amounts=amounts)


def limited(project_id: str = PROJECT, **limits: int) -> Event:
    return quota_limits.Changed(subject=project_id, limits=limits, changed=sorted(limits))


def reset(project_id: str = PROJECT) -> Event:
    return quota_limits.Reset(subject=project_id)


def a_ledger(*past: Event, **usage: int) -> Ledger:
    """A ledger after these events, with these amounts in use in the project beside them."""
    used = {(PROJECT, resource): Usage(n, 0) for resource, n in usage.items()}
    return settle(Ledger(defaults=DEFAULTS, usage=used), past)


def used(ledger: Ledger, resource: str, project_id: str = PROJECT) -> tuple[int, int]:
    usage = ledger.used(project_id, resource)
    return usage.in_use, usage.reserved


def overs_of(ledger: Ledger, event: Event) -> list[Over]:
    with pytest.raises(OverQuota) as refused:
        ledger.admit([event])
    assert refused.value.project_id == PROJECT
    return list(refused.value.overs)


# what events change

LIVES = [
    # events of one reservation of 3 → (in use, reserved) after each
    (["reserved"], [(0, 3)]),
    (["reserved", "committed"], [(0, 3), (3, 0)]),
    (["reserved", "rolled_back"], [(0, 3), (0, 0)]),
    (["reserved", "committed", "released"], [(0, 3), (3, 0), (0, 0)]),
    (["held"], [(0, 3)]),
    (["held", "committed"], [(0, 3), (3, 0)]),
    (["held", "rolled_back"], [(0, 3), (0, 0)]),
    (["held", "expired"], [(0, 3), (0, 0)]),
]


@pytest.mark.parametrize(("life", "after"), LIVES)
def test_a_reservation_moves_its_amounts_from_reserved_to_in_use_or_out(life, after):
    ledger, seen = a_ledger(), []
    for verb in life:
        takes = {"reserved": reserved, "held": held}.get(verb)
        event = takes(volumes=3) if takes else settled(verb, volumes=3)
        ledger.admit([event])
        seen.append(used(ledger, "volumes"))
    assert seen == after


GIVING_BACK = [
    # events of one reservation of -3 → (in use, reserved) of 5 in use after each
    (["reserved"], [(5, 0)]),
    (["held", "committed"], [(5, 0), (2, 0)]),
    (["reserved", "rolled_back"], [(5, 0), (5, 0)]),
    (["held", "expired"], [(5, 0), (5, 0)]),
    (["reserved", "committed", "released"], [(5, 0), (2, 0), (5, 0)]),
]


@pytest.mark.parametrize(("life", "after"), GIVING_BACK)
def test_what_gives_back_reserves_nothing_and_counts_once_committed(life, after):
    ledger, seen = a_ledger(volumes=5), []
    for verb in life:
        takes = {"reserved": reserved, "held": held}.get(verb)
        ledger.admit([takes(volumes=-3) if takes else settled(verb, volumes=-3)])
        seen.append(used(ledger, "volumes"))
    assert seen == after


def test_a_retype_moves_between_types_and_cannot_fail_for_want_of_what_stays():
    full = a_ledger(volumes=10, volumes_T=10)
    full.admit([held(volumes_T=-1, volumes_U=1)])
    assert (used(full, "volumes_T"), used(full, "volumes_U")) == ((10, 0), (0, 1))
    full.admit([settled("committed", volumes_T=-1, volumes_U=1)])
    assert (used(full, "volumes_T"), used(full, "volumes_U")) == ((9, 0), (1, 0))
    assert used(full, "volumes") == (10, 0)


def test_a_transfer_moves_between_projects_in_one_append_or_not_at_all():
    given = [reserved(volumes=-1, gigabytes=-5), settled("committed", volumes=-1, gigabytes=-5)]
    taken = [
        reserved("q", volumes=1, gigabytes=5),
        settled("committed", "q", volumes=1, gigabytes=5),
    ]
    ledger = a_ledger(limited("q", gigabytes=4), volumes=1, gigabytes=5)
    with pytest.raises(OverQuota) as refused:
        ledger.admit([*given, *taken])
    assert refused.value.project_id == "q"
    assert used(ledger, "volumes") == (1, 0)
    ledger.admit([limited("q", gigabytes=5)])
    ledger.admit([*given, *taken])
    assert (used(ledger, "volumes"), used(ledger, "volumes", "q")) == ((0, 0), (1, 0))
    assert (used(ledger, "gigabytes"), used(ledger, "gigabytes", "q")) == ((0, 0), (5, 0))


def test_what_is_held_is_judged_like_what_is_reserved():
    assert overs_of(a_ledger(volumes=10), held(volumes=1)) == [
        Over(resource="volumes", requested=1, limit=10, consumed=10)
    ]


def test_an_event_changes_every_resource_that_it_names():
    assert entries(reserved(volumes=1, gigabytes=5)) == [
        Entry(PROJECT, "volumes", 0, 1),
        Entry(PROJECT, "gigabytes", 0, 5),
    ]


WITHOUT_EFFECT = [
    quota_reservation.Refused(project_id=PROJECT, subject="s", amounts={"volumes": 1}, overs=[]),
    limited(volumes=1),
    reset(),
]


@pytest.mark.parametrize("event", WITHOUT_EFFECT, ids=lambda event: event.type_name)
def test_refusals_and_limits_use_nothing(event):
    assert entries(event) == []


def test_limits_are_changed_by_the_events_about_them_only():
    assert new_limits(limited(volumes=1)) == (PROJECT, {"volumes": 1})
    assert new_limits(reset()) == (PROJECT, {})
    assert new_limits(reserved(volumes=1)) is None


def test_what_has_nothing_to_do_with_quota_passes_unseen():
    from domain.aggregates.volume import PlacementFailed

    ledger = a_ledger()
    ledger.admit([PlacementFailed(reason="full", decision=NO_PLACE, number=1, most=1)])
    assert (ledger.usage, ledger.touched) == ({}, set())


# variants by volume type

TYPED = [
    # amounts, amounts with those of type T
    ({"volumes": 1}, {"volumes": 1, "volumes_T": 1}),
    ({"gigabytes": 5}, {"gigabytes": 5, "gigabytes_T": 5}),
    ({"snapshots": 2}, {"snapshots": 2, "snapshots_T": 2}),
    ({"groups": 1, "backups": 1}, {"groups": 1, "backups": 1}),
    ({"backup_gigabytes": 1}, {"backup_gigabytes": 1}),
    ({}, {}),
]


@pytest.mark.parametrize(("amounts", "both"), TYPED)
def test_volumes_space_and_snapshots_count_for_their_type_too(amounts, both):
    assert of_type(amounts, "T") == both


def test_a_type_has_no_limit_until_it_is_given_one():
    a_ledger(volumes_T=1000).admit([reserved(volumes_T=1)])
    limits = a_ledger(limited(volumes_T=3), volumes_T=3)
    assert overs_of(limits, reserved(volumes_T=1)) == [
        Over(resource="volumes_T", requested=1, limit=3, consumed=3)
    ]


# admission

ADMISSIONS = [
    # in use, reserved, asked, admitted of a limit of 10
    (0, 0, 10, True),
    (0, 0, 11, False),
    (9, 0, 1, True),
    (9, 1, 1, False),
    (0, 10, 1, False),
    (5, 4, 1, True),
    (5, 5, 0, True),
    (12, 0, 0, True),
    (12, 0, -2, True),
    (12, 0, 1, False),
]


@pytest.mark.parametrize(("in_use", "held", "asked", "admitted"), ADMISSIONS)
def test_what_is_reserved_counts_like_what_is_in_use(in_use, held, asked, admitted):
    ledger = a_ledger(reserved(volumes=held), volumes=in_use)
    if admitted:
        ledger.admit([reserved(volumes=asked)])
        assert used(ledger, "volumes") == (in_use, held + max(asked, 0))
    else:
        consumed = in_use + held
        assert overs_of(ledger, reserved(volumes=asked)) == [
            Over(resource="volumes", requested=asked, limit=10, consumed=consumed)
        ]


def test_all_overs_are_told_sorted_by_resource_the_ceiling_first():
    ledger = a_ledger(limited(per_volume_gigabytes=20), volumes=10, gigabytes=90)
    event = reserved(volumes=1, gigabytes=30, groups=1, largest_gib=30)
    assert overs_of(ledger, event) == [
        Over(resource="per_volume_gigabytes", requested=30, limit=20, consumed=0),
        Over(resource="gigabytes", requested=30, limit=100, consumed=90),
        Over(resource="volumes", requested=1, limit=10, consumed=10),
    ]


CEILINGS = [
    # ceiling, largest, admitted
    (UNLIMITED, 99, True),
    (20, 20, True),
    (20, 21, False),
    (0, 1, False),
]


@pytest.mark.parametrize(("ceiling", "largest", "admitted"), CEILINGS)
def test_the_ceiling_looks_at_the_largest_volume_not_at_the_sum(ceiling, largest, admitted):
    ledger = a_ledger(limited(per_volume_gigabytes=ceiling), gigabytes=0)
    event = reserved(gigabytes=100, largest_gib=largest)
    if admitted:
        ledger.admit([event])
    else:
        assert [over.resource for over in overs_of(ledger, event)] == ["per_volume_gigabytes"]


def test_unlimited_still_ends_where_cinder_cannot_count_any_further():
    ledger = a_ledger(limited(gigabytes=UNLIMITED), gigabytes=MAX_USAGE - 1)
    ledger.admit([reserved(gigabytes=1)])
    assert overs_of(ledger, reserved(gigabytes=1)) == [
        Over(resource="gigabytes", requested=1, limit=MAX_USAGE, consumed=MAX_USAGE)
    ]


LIMITS = [
    # past events, the limit of volumes after them
    ([], 10),
    ([limited(volumes=3)], 3),
    ([limited(volumes=0)], 0),
    ([limited(volumes=UNLIMITED)], UNLIMITED),
    ([limited(gigabytes=3)], 10),
    ([limited(volumes=3), reset()], 10),
    ([limited("another", volumes=3)], 10),
    ([limited(DEFAULT_CLASS, volumes=3)], 3),
    ([limited(DEFAULT_CLASS, volumes=3), limited(volumes=7)], 7),
    ([limited(volumes=7), limited(DEFAULT_CLASS, volumes=3), reset()], 3),
    ([limited(DEFAULT_CLASS, gigabytes=3)], 10),
    ([limited(DEFAULT_CLASS, volumes=3), reset(DEFAULT_CLASS)], 10),
    ([limited(quota_class("gold"), volumes=3)], 10),
    ([limited("default", volumes=3)], 10),
]


@pytest.mark.parametrize(("past", "limit"), LIMITS)
def test_the_first_of_own_limit_default_class_and_settings_wins(past, limit):
    assert a_ledger(*past).limit(PROJECT, "volumes") == limit


def test_a_type_is_limited_by_the_default_class_too():
    ledger = a_ledger(limited(DEFAULT_CLASS, volumes_T=3), volumes_T=3)
    assert [over.limit for over in overs_of(ledger, reserved(volumes_T=1))] == [3]


def test_the_default_class_may_be_limited_below_what_projects_consume():
    ledger = a_ledger(volumes=5)
    ledger.admit([limited(DEFAULT_CLASS, volumes=4)])
    assert [over.limit for over in overs_of(ledger, reserved(volumes=1))] == [4]


def test_projects_do_not_share_quota():
    ledger = a_ledger(volumes=10)
    ledger.admit([reserved("another", volumes=10)])
    assert used(ledger, "volumes", "another") == (0, 10)


LOWERED = [
    # consumed, wanted limit, accepted
    (5, 5, True),
    (5, 4, False),
    (0, 0, True),
    (5, UNLIMITED, True),
]


@pytest.mark.parametrize(("consumed", "wanted", "accepted"), LOWERED)
def test_a_limit_may_not_be_set_below_what_is_consumed(consumed, wanted, accepted):
    ledger = a_ledger(reserved(volumes=consumed))
    if accepted:
        ledger.admit([limited(volumes=wanted)])
        assert ledger.limit(PROJECT, "volumes") == wanted
        return
    with pytest.raises(LimitBelowUsage) as refused:
        ledger.admit([limited(volumes=wanted)])
    told = refused.value
    assert (told.resource, told.limit, told.consumed) == ("volumes", wanted, consumed)
    assert ledger.limit(PROJECT, "volumes") == 10


def test_a_limit_that_stays_below_usage_does_not_stand_against_changing_another():
    ledger = a_ledger(limited(volumes=3), volumes=5)
    change = quota_limits.Changed(
        subject=PROJECT, limits={"volumes": 3, "gigabytes": 7}, changed=["gigabytes"]
    )
    ledger.admit([change])
    assert ledger.limit(PROJECT, "gigabytes") == 7


# all or nothing

REFUSED_TOGETHER = [
    [reserved(volumes=6), reserved(volumes=6)],
    [reserved(volumes=1), limited(volumes=0)],
    [limited(volumes=20), reserved(gigabytes=101)],
    [settled("released", volumes=2), reserved(volumes=13)],
]


@pytest.mark.parametrize("events", REFUSED_TOGETHER)
def test_of_events_that_are_refused_together_nothing_remains(events):
    ledger = a_ledger(volumes=2)
    with pytest.raises((OverQuota, LimitBelowUsage)):
        ledger.admit(events)
    assert used(ledger, "volumes") == (2, 0)
    assert ledger.limit(PROJECT, "volumes") == 10
    assert (ledger.touched, ledger.relimited) == (set(), set())


def test_events_of_one_append_see_what_the_earlier_ones_took():
    ledger = a_ledger()
    ledger.admit([reserved(volumes=5), settled("rolled_back", volumes=5), reserved(volumes=10)])
    assert used(ledger, "volumes") == (0, 10)


def test_the_ledger_tells_what_must_be_stored():
    ledger = a_ledger(volumes=1, gigabytes=1)
    ledger.admit([reserved(volumes=1), limited("another", volumes=1)])
    assert ledger.touched == {(PROJECT, "volumes")}
    assert ledger.relimited == {"another"}


# sentences

CEILING_OVER = Over(resource="per_volume_gigabytes", requested=30, limit=20, consumed=0)
SPACE_OVER = Over(resource="gigabytes", requested=30, limit=100, consumed=90)
TYPED_SPACE_OVER = Over(resource="gigabytes_T", requested=30, limit=50, consumed=40)
COUNT_OVER = Over(resource="volumes", requested=1, limit=10, consumed=10)
TYPED_COUNT_OVER = Over(resource="volumes_T", requested=1, limit=5, consumed=5)

BACKUP_OVER = Over(resource="backup_gigabytes", requested=30, limit=50, consumed=40)
GROUP_OVER = Over(resource="groups", requested=1, limit=10, consumed=10)
STRANGE_OVER = Over(resource="shoes", requested=2, limit=1, consumed=0)

SENTENCES = [
    (
        [BACKUP_OVER],
        "Requested backup exceeds the backup_gigabytes quota: 30G requested, 50G allowed,"
        " 40G consumed.",
    ),
    ([GROUP_OVER], "Maximum number of groups allowed (10) exceeded for quota 'groups'."),
    (
        [STRANGE_OVER, COUNT_OVER],
        "Maximum number of volumes allowed (10) exceeded for quota 'volumes'.",
    ),
    ([STRANGE_OVER], "Quota 'shoes' is unexpectedly exceeded: 2 requested, 1 allowed, 0 consumed."),
    (
        [COUNT_OVER, SPACE_OVER, CEILING_OVER],
        "Requested volume size 30G is larger than the allowed 20G (per_volume_gigabytes).",
    ),
    (
        [COUNT_OVER, SPACE_OVER],
        "Requested volume or snapshot exceeds the gigabytes quota: 30G requested, 100G allowed,"
        " 90G consumed.",
    ),
    (
        [COUNT_OVER, TYPED_SPACE_OVER],
        "Requested volume or snapshot exceeds the gigabytes_T quota: 30G requested, 50G allowed,"
        " 40G consumed.",
    ),
    ([COUNT_OVER], "Maximum number of volumes allowed (10) exceeded for quota 'volumes'."),
    ([TYPED_COUNT_OVER], "Maximum number of volumes allowed (5) exceeded for quota 'volumes_T'."),
]


@pytest.mark.parametrize(("overs", "text"), SENTENCES)
def test_users_are_told_the_ceiling_first_then_space_then_counts(overs, text):
    assert sentence(overs) == text


# the ledger and the log

PROJECTS = st.sampled_from(["p", "q"])
AMOUNTS = st.dictionaries(
    st.sampled_from(["volumes", "gigabytes", "volumes_T"]), st.integers(-3, 6), max_size=3
)
RESERVED = st.builds(
    lambda take, project, amounts, largest: take(project, largest_gib=largest, **amounts),
    st.sampled_from([reserved, held]),
    PROJECTS,
    AMOUNTS,
    st.integers(0, 30),
)
SETTLED = st.builds(
    lambda outcome, project, amounts: settled(outcome, project, **amounts),
    st.sampled_from(["committed", "rolled_back", "expired", "released"]),
    PROJECTS,
    AMOUNTS,
)
LIMITED = st.builds(
    lambda subject, limits: limited(subject, **limits),
    PROJECTS | st.just(DEFAULT_CLASS),
    st.dictionaries(
        st.sampled_from(["volumes", "gigabytes", "per_volume_gigabytes"]), st.integers(-1, 15)
    ),
)
RESET = st.builds(reset, PROJECTS | st.just(DEFAULT_CLASS))
APPENDS = st.lists(
    st.lists(RESERVED | SETTLED | LIMITED | RESET, min_size=1, max_size=4), max_size=12
)


@given(APPENDS)
def test_a_ledger_that_admits_equals_the_sum_over_the_log_of_what_it_admitted(appends):
    ledger, log = Ledger(defaults=DEFAULTS), []
    for events in appends:
        try:
            ledger.admit(events)
        except (OverQuota, LimitBelowUsage):
            continue
        log.extend(events)
    rebuilt = settle(Ledger(defaults=DEFAULTS), log)
    assert rebuilt.usage == ledger.usage
    assert rebuilt.limits == ledger.limits
    assert ledger.touched == ledger.usage.keys()


@given(APPENDS)
def test_a_ledger_loaded_from_what_was_stored_decides_like_the_one_that_never_left(appends):
    whole, stored = Ledger(defaults=DEFAULTS), Ledger(defaults=DEFAULTS)
    for events in appends:
        loaded = Ledger(defaults=DEFAULTS, usage=stored.usage, limits=stored.limits)
        verdicts = []
        for ledger in (whole, loaded):
            try:
                ledger.admit(events)
            except (OverQuota, LimitBelowUsage) as refusal:
                verdicts.append(str(refusal))
            else:
                verdicts.append("")
        assert verdicts[0] == verdicts[1]
        stored = loaded
    assert stored.usage == whole.usage


@given(st.lists(RESERVED, max_size=30))
def test_reservations_alone_never_pass_a_limit(events):
    ledger = Ledger(defaults=DEFAULTS)
    for event in events:
        try:
            ledger.admit([event])
        except OverQuota:
            continue
    for (_, resource), usage in ledger.usage.items():
        assert usage.consumed <= DEFAULTS.get(resource, MAX_USAGE)
