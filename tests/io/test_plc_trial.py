"""A trial that writes: what it says of a PLC whose words cannot be written, and how it leaves them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from plc_wiring_bench import BenchPlc, overlay, settings, trial_on

from inspectd.io.errors import PlcError
from inspectd.io.plc import RING_SLOTS, VISION_WORDS, Ring, Status, Verdict, VisionImage
from inspectd.io.plc_finding import Finding, Outcome
from inspectd.io.plc_trial_part import take_parts

WAIT_S = 5.0


def begun(plc: BenchPlc) -> Finding:
    return trial_on(plc).begin()


def test_every_word_is_written_and_read_back() -> None:
    """In one request; its ring differs in every slot and fits no part."""
    plc = BenchPlc()
    assert begun(plc).outcome is Outcome.PASSED
    start, words = plc.written[0]
    assert (start, len(words)) == (32, 100)
    ring = list(Ring(words[VISION_WORDS:]))
    assert [entry.id % RING_SLOTS for entry in ring] == list(range(RING_SLOTS))
    assert len({entry.pack() for entry in ring}) == RING_SLOTS
    assert not any(entry.holds(epoch, recipe) for entry in ring for epoch in (0, 777) for recipe in (0, 1))
    assert plc.vision[VISION_WORDS:] == [0] * 80, "the pattern does not stay"


@pytest.mark.parametrize("trig_id", [0, 1, 41, 32767, 32768, 65535])
def test_the_ids_of_the_pattern_are_far_from_those_of_the_parts(trig_id: int) -> None:
    plc = BenchPlc(first_id=trig_id)
    begun(plc)
    near = {(trig_id + n) % 65536 for n in range(-64, 65)}
    assert not near & {entry.id for entry in Ring(plc.written[0][1][VISION_WORDS:])}


def test_what_a_plc_does_not_let_write_is_measured() -> None:
    short = begun(BenchPlc(writable=range(32, 100)))
    assert short.outcome is Outcome.FAILED
    assert short.text.startswith("only words 32 to 99 can be written: ")
    assert "illegal data address" in short.text
    assert "writable" in short.remedy
    none = begun(BenchPlc(writable=range(0)))
    assert none.text.startswith("not one of words 32 to 131 can be written")


def test_a_plc_that_takes_no_long_requests_is_told() -> None:
    plc = BenchPlc()
    write = plc.write

    def write_one(start: int, words: Sequence[int]) -> None:
        if len(words) > 1:
            raise PlcError("too many")
        write(start, words)

    plc.write = write_one
    assert "each word can be written, but not 100 of them at once" in begun(plc).text


def test_words_that_somebody_else_sets_are_named() -> None:
    """The PLC's own program, say, which clears what it should only read."""
    failure = begun(BenchPlc(spoil=overlay(w52=9, w53=9, w60=9)))
    assert failure.outcome is Outcome.FAILED
    assert "words 52 to 53, 60 do not keep what was written" in failure.text
    assert failure.remedy


def test_a_write_that_goes_nowhere_is_told() -> None:
    """Acknowledged, and read back as before: another area than the one that is read."""
    failure = begun(BenchPlc(spoil=lambda words, _: words[:32] + [0] * 100))
    assert failure.outcome is Outcome.FAILED
    assert "acknowledged the write, but" in failure.text


def test_words_that_change_later_are_told() -> None:
    plc = BenchPlc()
    plc.spoil = lambda words, now: [*words[:70], words[70] + (now > 0.2), *words[71:]]
    failure = begun(plc)
    assert "words 70 changed by themselves" in failure.text


def test_a_plc_that_shows_what_was_written_some_scans_later_is_well() -> None:
    plc = BenchPlc()
    plc.spoil = lambda words, now: words if now > 0.1 else words[:32] + [0] * 100
    assert begun(plc).outcome is Outcome.PASSED


def test_another_agent_that_begins_meanwhile_ends_the_trial() -> None:
    """It is told, and the words are left to the other one."""
    plc = BenchPlc()
    plc.spoil = lambda words, now: [*words[:34], 4711, *words[35:]] if now > 2.0 else words
    trial = trial_on(plc)
    trial.begin()
    with pytest.raises(PlcError, match="another agent began to write"):
        take_parts(trial, settings(), WAIT_S)
    writes = len(plc.written)
    assert trial.leave() is None
    assert len(plc.written) == writes


# --- the end ---------------------------------------------------------------------------------------------


def test_the_words_are_left_safe() -> None:
    """Online off, ring empty, no epoch that a later agent could take for its own, no heartbeat."""
    plc = BenchPlc()
    trial = trial_on(plc)
    trial.begin()
    take_parts(trial, settings(), WAIT_S)
    assert trial.leave() == Finding("left safe", Outcome.PASSED, "Online off, ring empty, no heartbeat")
    vision = VisionImage.unpack(plc.vision)
    assert (vision.status, vision.plc_epoch, vision.verdict) == (Status(0), 0, Verdict.NONE)
    assert plc.vision[VISION_WORDS:] == [0] * 80
    beats = [words[0] for start, words in plc.written if start == 32]
    assert beats[-1] == beats[-2]


def test_a_trial_that_wrote_nothing_leaves_nothing() -> None:
    plc = BenchPlc()
    assert trial_on(plc).leave() is None
    assert plc.written == []


def test_words_that_cannot_be_left_safe_are_told() -> None:
    plc = BenchPlc()
    trial = trial_on(plc)
    trial.begin()
    plc.writable = range(0)
    left = trial.leave()
    assert left is not None
    assert left.outcome is Outcome.FAILED
    assert "plc watch" in left.remedy


def test_online_is_none_of_a_trials_bits() -> None:
    with pytest.raises(ValueError, match="never Online"):
        trial_on(BenchPlc()).show(Status.ONLINE | Status.TRIGGER_READY)
