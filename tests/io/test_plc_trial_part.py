"""What a trial says of the parts that a technician sends, with the trigger by id change and with levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import pytest
from plc_wiring_bench import PART_AT_S, BenchPlc, overlay, settings, trial_on

from inspectd.io.gate import CLAUSES, Case, Cell
from inspectd.io.plc import VISION_WORDS, Control, Reason, Ring, Status, Verdict, VisionImage
from inspectd.io.plc_finding import Finding, Outcome, Sample
from inspectd.io.plc_trial_level import take_level_part
from inspectd.io.plc_trial_part import (
    await_confirmation,
    await_epoch,
    check_parts,
    check_position,
    check_write_timing,
    take_parts,
)

WAIT_S = 5.0


def found(plc: BenchPlc, recipes: set[int] | None = None, **changes: object) -> dict[str, Finding]:
    """What a trial with a part finds, by step."""
    trial = trial_on(plc, **changes)
    assert trial.begin().outcome is Outcome.PASSED
    came = take_parts(trial, settings(**changes), WAIT_S)
    return {each.step: each for each in check_parts(trial, settings(**changes), recipes or {1}, came=came)}


def test_a_part_on_a_line_that_is_well_passes_every_step() -> None:
    plc = BenchPlc(part_at_s=(PART_AT_S, PART_AT_S + 0.5))
    steps = found(plc)
    assert {each.outcome for each in steps.values()} == {Outcome.PASSED}, steps
    assert len(steps) == 8
    assert "TRIG_ID went from 41 on by one to 42, 43" in steps["trigger"].text


def test_an_epoch_that_stays_0_is_told() -> None:
    """Whatever an agent answers: no part could ever be judged."""
    trial = trial_on(BenchPlc(spoil=overlay(w8=0)))
    trial.begin()
    told = await_epoch(trial)
    assert (told.outcome, "stayed 0 for 2 s" in told.text) == (Outcome.FAILED, True), told
    assert "at the end of each start" in told.remedy


def test_each_part_gets_its_unknown_and_no_other_word() -> None:
    """In the slot of its id, with the CHECK of its epoch and recipe, and in the status block."""
    plc = BenchPlc(part_at_s=(PART_AT_S, PART_AT_S + 0.5))
    found(plc)
    ring = Ring(plc.vision[VISION_WORDS:])
    assert {entry.id for entry in ring} == {0, 42, 43}
    for number in (42, 43):
        entry = ring.find(number)
        assert entry is not None
        assert entry.holds(777, 1)
        assert (entry.verdict, entry.reason) == (Verdict.UNKNOWN, Reason.RESTARTED)
    vision = VisionImage.unpack(plc.vision)
    assert (vision.result_trig_id, vision.result_seq, vision.verdict) == (43, 2, Verdict.UNKNOWN)


def test_even_a_forged_accept_would_not_pass_the_gate_by_a_trials_words() -> None:
    """Online is off: with any slot whatever the gate's rule objects."""
    plc = BenchPlc()
    found(plc)
    entry = Ring(plc.vision[VISION_WORDS:]).find(42)
    assert entry is not None
    case = Case(
        cell=Cell(position=0, epoch=777, recipe=1, trig_id=42),
        copy=replace(entry, verdict=Verdict.ACCEPT),
        vision=VisionImage.unpack(plc.vision),
        heartbeat_age_s=0.0,
        epoch=777,
        station=1,
        moved=10_000,
        gate_distance=1,
        free_running=False,
    )
    assert "online" in {clause.name for clause in CLAUSES if not clause.holds(case)}


def test_the_heartbeat_counts_while_a_trial_runs() -> None:
    """So that an agent that is started meanwhile refuses to."""
    plc = BenchPlc()
    found(plc)
    beats = [words[0] for start, words in plc.written if start == 32]
    steps = {after - before for before, after in pairwise(beats)}
    assert steps == {0, 1}
    assert beats[-1] - beats[0] > 40


def test_no_part_is_told() -> None:
    steps = found(BenchPlc(part_at_s=()))
    assert steps["trigger"].outcome is Outcome.FAILED
    assert "no part came: TRIG_ID stayed at 41" in steps["trigger"].text
    assert "photo-eye" in steps["trigger"].remedy


@pytest.mark.parametrize(
    ("new_id", "told"), [(44, "from 41 to 44: by 3"), (40, "from 41 to 40: back"), (0, "from 41 to 0: back")]
)
def test_ids_that_jump_are_told(new_id: int, told: str) -> None:
    plc = BenchPlc()
    plc.spoil = lambda words, now: (
        [*words[:2], new_id, *words[3:31], new_id, *words[32:]] if now >= PART_AT_S else words
    )
    trigger = found(plc)["trigger"]
    assert trigger.outcome is Outcome.FAILED
    assert told in trigger.text


def test_the_wrap_of_ids_is_no_jump() -> None:
    plc = BenchPlc(first_id=65535)
    plc.spoil = lambda words, now: (
        [*words[:2], 1, *words[3:31], 1, *words[32:]] if now >= PART_AT_S else words
    )
    assert found(plc)["trigger"].outcome is Outcome.PASSED


def test_a_restart_of_the_plc_meanwhile_is_told() -> None:
    plc = BenchPlc()
    plc.spoil = lambda words, now: [*words[:8], 778 if now > PART_AT_S + 0.5 else 777, *words[9:]]
    assert "PLC_EPOCH changed from 777 to 778" in found(plc)["trigger"].text


def test_a_trigger_that_is_seen_too_late_is_told() -> None:
    """From the start of the poll before: it may have come right after that."""
    assert found(BenchPlc(request_s=0.02), max_trigger_age_ms=65.0)["trigger age"].outcome is Outcome.PASSED
    late = found(BenchPlc(request_s=0.02), max_trigger_age_ms=50.0)["trigger age"]
    assert late.outcome is Outcome.FAILED
    assert "at most 60." in late.text


def test_a_part_of_an_unknown_recipe_is_told() -> None:
    assert found(BenchPlc(), recipes={2})["RECIPE"].outcome is Outcome.FAILED


def test_a_part_while_triggers_are_not_enabled_is_told() -> None:
    assert found(BenchPlc(control=Control(0)))["TriggerEnable"].outcome is Outcome.FAILED


def test_a_position_with_swapped_words_is_told() -> None:
    plc = BenchPlc()
    plc.spoil = lambda words, _: [*words[:4], words[5], words[4], *words[6:]]
    failure = found(plc)["ENCODER of the part"]
    assert failure.outcome is Outcome.FAILED
    assert "words swapped" in failure.text


def test_a_position_of_another_counter_is_a_warning_and_none_is_skipped() -> None:
    plc = BenchPlc()
    plc.spoil = lambda words, _: [*words[:4], 900, 0, *words[6:]]
    assert found(plc)["ENCODER of the part"].outcome is Outcome.WARNED
    assert check_position(Sample([0] * 52, 0.0, 0.0), 1000.0).outcome is Outcome.SKIPPED


def test_an_acknowledgement_is_needed_with_buffered_results_alone() -> None:
    silent = BenchPlc(acknowledges=False)
    assert found(silent)["ACK_SEQ"].outcome is Outcome.WARNED
    buffering = BenchPlc(acknowledges=False, control=Control.TRIGGER_ENABLE | Control.BUFFER_RESULTS)
    assert found(buffering)["ACK_SEQ"].outcome is Outcome.FAILED


@pytest.mark.parametrize(("confirmed", "outcome"), [(42, Outcome.PASSED), (41, Outcome.FAILED)])
def test_a_reject_is_to_be_confirmed_with_the_parts_own_id(confirmed: int, outcome: Outcome) -> None:
    """What stands there of an older part confirms nothing."""
    trial = trial_on(BenchPlc(spoil=overlay(w9=confirmed)))
    trial.begin()
    assert take_parts(trial, settings(), WAIT_S)
    finding = await_confirmation(trial, 1.0)
    assert finding.outcome is outcome
    assert str(confirmed) in finding.text


def test_free_running_takes_the_encoder_for_a_part() -> None:
    steps = found(BenchPlc(), mode="free_running", max_speed_counts_per_s=2500.0)
    assert set(steps) == {"encoder speed", "double words"}
    assert steps["encoder speed"].outcome is Outcome.PASSED
    fast = found(BenchPlc(), mode="free_running", max_speed_counts_per_s=1000.0)["encoder speed"]
    assert fast.outcome is Outcome.FAILED
    stands = BenchPlc(spoil=overlay(w10=1, w11=1))
    assert "stood still" in found(stands, mode="free_running")["encoder speed"].text


def test_writes_near_the_time_out_are_told() -> None:
    assert check_write_timing([1.0] * 100, 200.0).outcome is Outcome.PASSED
    assert check_write_timing([1.0] * 97 + [150.0] * 3, 200.0).outcome is Outcome.WARNED


# --- the level handshake ---------------------------------------------------------------------------------


@dataclass
class LevelPlc(BenchPlc):
    """Speaks the level handshake; an edge named in `broken` does not come."""

    broken: str = ""

    def write(self, start: int, words: Sequence[int]) -> None:
        super().write(start, words)
        bits = self.control
        if Status.TRIGGER_READY in self.status and self.now > PART_AT_S and self.first_id == 41:
            self.first_id += self.broken != "id"
            bits |= Control.TRIGGER
        if Status.TRIGGER_ACK in self.status:
            assert self.vision[7] == 0, "VERDICT stands when the trigger is acknowledged"
            bits &= ~Control.TRIGGER
        if Status.RESULTS_VALID in self.status:
            bits |= Control.RESULT_ACK
        elif Control.RESULT_ACK in bits:
            bits &= ~Control.RESULT_ACK
        held = {
            "trigger": bits & ~Control.TRIGGER,
            "untrigger": bits | (self.control & Control.TRIGGER),
            "ack": bits & ~Control.RESULT_ACK,
            "unack": bits | (self.control & Control.RESULT_ACK),
        }
        self.control = held.get(self.broken, bits)


def level(broken: str) -> list[Finding]:
    plc = LevelPlc(part_at_s=(), broken=broken)
    trial = trial_on(plc)
    trial.begin()
    return list(take_level_part(trial, WAIT_S))


def test_the_whole_level_handshake_passes() -> None:
    findings = level("")
    assert [each.outcome for each in findings] == [Outcome.PASSED] * 4, findings


@pytest.mark.parametrize(
    ("broken", "passed", "told"),
    [
        ("trigger", 0, "TRIG_ID changed, but Trigger (bit 1 of CONTROL) did not come"),
        ("id", 0, "TRIG_ID stayed at 41"),
        ("untrigger", 1, "Trigger (bit 1 of CONTROL) still stands"),
        ("ack", 2, "no ResultAck (bit 2 of CONTROL)"),
        ("unack", 3, "ResultAck (bit 2 of CONTROL) still stands"),
    ],
)
def test_an_edge_that_does_not_come_ends_the_handshake(broken: str, passed: int, told: str) -> None:
    """It is named with its bit, and what the PLC has to do."""
    *before, last = level(broken)
    assert [each.outcome for each in before] == [Outcome.PASSED] * passed
    assert last.outcome is Outcome.FAILED
    assert told in last.text
    assert last.remedy


def test_no_part_in_the_level_handshake_is_told() -> None:
    plc = BenchPlc(part_at_s=())
    trial = trial_on(plc)
    trial.begin()
    (finding,) = take_level_part(trial, 1.0)
    assert "no part came" in finding.text
