"""The reject sensor's confirmations: which are missing, and when the line is asked to stop."""

import pytest
from agent_rig import WINDOW, Rig, make_rig
from stand_ins import DEFECTIVE, EPOCH, GOOD

from inspectd.agent.config import ConfirmationSettings
from inspectd.io.plc import FaultCode, Reason
from inspectd.io.plc_events import DropInFlight, EpochChanged, Event, FaultCleared, RejectConfirmed, Settled

WITHIN = 4
MISSING = 2


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Rig:
    """A station whose rejects are to be confirmed before four more parts have come."""
    settings = ConfirmationSettings(missing=MISSING, within_parts=WITHIN)
    return make_rig(monkeypatch, confirmations=settings)


def part(rig: Rig, score: float = DEFECTIVE, *, confirm: bool = False) -> int:
    """Let a part pass and be judged; gives its id, which is its trigger id too."""
    part_id = rig.trigger().part_id
    rig.expose(score)
    rig.close_windows()
    if confirm:
        confirmed(rig, part_id)
    return part_id


def confirmed(rig: Rig, trig_id: int, polls_apart_s: float = 0.005) -> None:
    now = rig.clock.now
    rig.host.on_events([RejectConfirmed(trig_id, EPOCH, now - polls_apart_s, now)])


def asked_to_stop(rig: Rig) -> bool:
    state = rig.host.on_cycle(rig.clock.now)
    assert state.stop_line == (state.fault is FaultCode.STOP_LINE)
    return state.stop_line


def test_missing_confirmations_in_a_row_stop_the_line(watched: Rig) -> None:
    """With the part after which the second one is due, not before; until ClearFault."""
    for _ in range(WITHIN + MISSING - 1):
        part(watched)
    assert not asked_to_stop(watched)
    part(watched)
    assert asked_to_stop(watched)
    watched.host.on_events([FaultCleared()])
    assert not asked_to_stop(watched)
    for _ in range(WITHIN + MISSING - 1):
        part(watched)
    assert not asked_to_stop(watched), "somebody has looked after the line: the count starts anew"
    part(watched)
    assert asked_to_stop(watched)


def test_confirmed_rejects_stop_nothing(watched: Rig) -> None:
    """Confirmed as late as may be, and none of them twice."""
    first = part(watched)
    for due in range(first, first + 30):
        for _ in range(WITHIN - 1):
            part(watched, GOOD) if due == first else None
        part(watched)
        confirmed(watched, due if due == first else due + WITHIN - 1)
    assert not asked_to_stop(watched)


def test_a_confirmation_between_two_missing_ones_starts_the_count_anew(watched: Rig) -> None:
    for _ in range(10):
        part(watched)
        part(watched, confirm=True)
    assert not asked_to_stop(watched)


def test_accepted_parts_need_no_confirmation(watched: Rig) -> None:
    for _ in range(3 * WITHIN):
        part(watched, GOOD)
    assert not asked_to_stop(watched)


def test_unknown_counts_as_rejected(watched: Rig) -> None:
    """A part without a verdict to stand on goes to the reject gate as well."""
    for _ in range(WITHIN + MISSING):
        part(watched, score=0.0)
    assert asked_to_stop(watched)


def settled(part_id: int, reason: Reason, *, published: bool = True) -> Event:
    return Settled(part_id, part_id, EPOCH, 1, reason, published, 0.0)


def test_what_the_link_refused_counts_and_what_nobody_saw_does_not(watched: Rig) -> None:
    """An id that was passed over may never have been a part; those of before a start are not known."""
    for number in range(100, 120):
        watched.host.on_events([settled(number, Reason.TRIGGER_LATE, published=number % 2 == 0)])
        watched.host.on_events([settled(number + 100, Reason.RESTARTED)])
    assert not asked_to_stop(watched)
    for number in range(400, 400 + WITHIN + MISSING):
        watched.host.on_events([settled(number, Reason.OFFLINE)])
    assert asked_to_stop(watched)


def test_ids_passed_over_bring_no_part_to_the_gate(watched: Rig) -> None:
    """Parts on their way when the PLC leaves ids out can still be confirmed; if they are not, it counts."""
    waiting = [part(watched) for _ in range(MISSING)]
    for number in range(100, 120):
        watched.host.on_events([settled(number, Reason.TRIGGER_LATE, published=number % 2 == 0)])
    assert not asked_to_stop(watched)
    assert waiting[-1] < 100
    later = [settled(number, Reason.OFFLINE) for number in range(200, 200 + WITHIN)]
    watched.host.on_events(later[:-1])
    assert not asked_to_stop(watched)
    watched.host.on_events(later[-1:])
    assert asked_to_stop(watched)


def test_a_confirmation_that_two_polls_may_have_missed_is_not_missing(watched: Rig) -> None:
    """The word shows the last one alone: where the polls were apart, those before it count neither way."""
    missed = [part(watched) for _ in range(3)]
    last = part(watched)
    confirmed(watched, last, polls_apart_s=WINDOW / 2)
    assert missed[-1] < last
    for _ in range(2 * WITHIN):
        part(watched, GOOD)
    assert not asked_to_stop(watched)


def test_a_part_that_came_and_went_while_the_link_hung_hides_the_confirmations_before(watched: Rig) -> None:
    """Its id is not known yet when its confirmation shows; with polls close together it would hide none."""
    for polls_apart_s, missing in ((WINDOW / 2, False), (0.005, True)):
        for _ in range(MISSING):
            part(watched)
        confirmed(watched, 999, polls_apart_s=polls_apart_s)
        for _ in range(WITHIN):
            part(watched, GOOD)
        assert asked_to_stop(watched) == missing


def test_with_polls_close_together_a_part_before_a_confirmed_one_is_missing(watched: Rig) -> None:
    """Two confirmations cannot come between two such polls."""
    for _ in range(MISSING):
        part(watched)
    part(watched)
    confirmed(watched, 3, polls_apart_s=WINDOW / 2 - 0.001)
    for _ in range(WITHIN):
        part(watched, GOOD)
    assert asked_to_stop(watched)


def test_parts_after_the_confirmed_one_are_not_excused(watched: Rig) -> None:
    """Their confirmation would be the one that shows."""
    first = part(watched)
    for _ in range(MISSING):
        part(watched)
    confirmed(watched, first, polls_apart_s=1.0)
    for _ in range(WITHIN):
        part(watched, GOOD)
    assert asked_to_stop(watched)


@pytest.mark.parametrize(
    "event", [EpochChanged(EPOCH, EPOCH, 0.0), DropInFlight(Reason.RESTARTED)], ids=["epoch", "ids"]
)
def test_a_restart_of_the_plc_expects_nothing_of_before(event: Event, watched: Rig) -> None:
    """Its shift register is empty: nobody will ever confirm those parts."""
    for _ in range(WITHIN):
        part(watched)
    watched.host.on_events([event])
    for _ in range(2 * WITHIN):
        part(watched, GOOD)
    assert not asked_to_stop(watched)


def test_confirmations_of_parts_that_are_not_waited_for_are_passed_over(watched: Rig) -> None:
    """Of a part long gone, of one never seen, and of one that the PLC rejected though it was accepted."""
    confirmed(watched, 60_000)
    confirmed(watched, part(watched, GOOD))
    assert not asked_to_stop(watched)


def test_without_the_setting_nothing_is_expected(rig: Rig) -> None:
    """By default there is no reject sensor."""
    for _ in range(50):
        part(rig)
    confirmed(rig, 3)
    assert not asked_to_stop(rig)
