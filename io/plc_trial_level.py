"""The level handshake in a trial: each of its edges waited for, and what it means if one does not come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.plc import Control, Status
from inspectd.io.plc_finding import failed, passed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from inspectd.io.plc_finding import Finding, Sample
    from inspectd.io.plc_trial import Trial

LEVEL_STEP = "level handshake"
ANSWER_S = 2.0
"""How long the PLC has for each of its answers."""


def take_level_part(trial: Trial, wait_s: float) -> Iterator[Finding]:
    """Go through the handshake of one part, UNKNOWN for it; the first edge that does not come ends it.

    PlcError: the link failed, or another agent began to write.
    """
    last_id = trial.start_anew().words[2]
    trial.show(Status.TRIGGER_READY)
    if not trial.follow(
        lambda sample: _is_set(sample, Control.TRIGGER) and sample.words[2] != last_id, wait_s
    ):
        yield _no_trigger(trial, last_id)
        return
    sample = trial.heard.samples[-1]
    yield passed(LEVEL_STEP, f"Trigger was raised with TRIG_ID {sample.words[2]}")
    trial.show(Status(0))
    trial.forget_verdict()
    trial.write()  # VERDICT and ResultsValid are 0 before TriggerAck
    trial.show(Status.TRIGGER_ACK)
    if not trial.follow(lambda sample: not _is_set(sample, Control.TRIGGER), ANSWER_S):
        yield failed(
            LEVEL_STEP,
            f"Trigger (bit 1 of CONTROL) still stands {ANSWER_S:g} s after TriggerAck (bit 2 of STATUS)",
            "let the PLC take Trigger back when it sees TriggerAck",
        )
        return
    yield passed(LEVEL_STEP, "Trigger was taken back after TriggerAck")
    trial.show(Status.EXPOSURE_DONE | Status.RESULTS_VALID)
    trial.say_unknown(sample)
    if not trial.follow(lambda sample: _is_set(sample, Control.RESULT_ACK), ANSWER_S):
        yield failed(
            LEVEL_STEP,
            f"no ResultAck (bit 2 of CONTROL) within {ANSWER_S:g} s of ResultsValid (bit 5 of STATUS)",
            "let the PLC take VERDICT and set ResultAck when it sees ResultsValid",
        )
        return
    yield passed(LEVEL_STEP, "ResultAck was set after ResultsValid")
    trial.forget_verdict()
    trial.show(Status(0))
    if not trial.follow(lambda sample: not _is_set(sample, Control.RESULT_ACK), ANSWER_S):
        yield failed(
            LEVEL_STEP,
            f"ResultAck (bit 2 of CONTROL) still stands {ANSWER_S:g} s after ResultsValid was taken back",
            "let the PLC take ResultAck back when ResultsValid (bit 5 of STATUS) falls",
        )
        return
    yield passed(LEVEL_STEP, "ResultAck was taken back after ResultsValid")


def _no_trigger(trial: Trial, last_id: int) -> Finding:
    samples = [sample for sample in trial.heard.samples if not sample.torn]
    if any(sample.words[2] != last_id for sample in samples):
        return failed(
            LEVEL_STEP,
            "TRIG_ID changed, but Trigger (bit 1 of CONTROL) did not come with it",
            "let the PLC raise Trigger while TriggerReady, or set plc.handshake to id_change",
        )
    if any(_is_set(sample, Control.TRIGGER) for sample in samples):
        return failed(
            LEVEL_STEP,
            f"Trigger (bit 1 of CONTROL) was raised, but TRIG_ID stayed at {last_id}",
            "count TRIG_ID (words 2 and 31) up by one before each Trigger",
        )
    return failed(
        LEVEL_STEP,
        "no part came: neither Trigger nor TRIG_ID changed while TriggerReady stood",
        "check the photo-eye and its input; the PLC may not wait for Online, which this test never sets",
    )


def _is_set(sample: Sample, bit: Control) -> bool:
    return bit in Control(sample.words[1])
