"""What a trial shows of parts that pass the photo-eye: ids, age of the trigger, and the part's own words.

`take_parts` runs the trial while a technician sends a part; the rules over its polls are pure.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from inspectd.io.plc import Control, id_distance
from inspectd.io.plc_finding import failed, passed, percentile, skipped, warned
from inspectd.io.plc_wiring import EPOCH_STEP, check_recipe, check_texts, check_word_order

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence

    from inspectd.io.plc_finding import Finding, Sample
    from inspectd.io.plc_settings import AnyPlcSettings
    from inspectd.io.plc_trial import Trial

TRIGGER_STEP = "trigger"
ENABLED_STEP = "TriggerEnable"
AGE_STEP = "trigger age"
POSITION_STEP = "ENCODER of the part"
ACK_STEP = "ACK_SEQ"
CONFIRM_STEP = "REJECT_CONFIRM_ID"
SPEED_STEP = "encoder speed"
AFTER_S = 1.5  # after the first part: for the PLC's answers, and to see more ids
EPOCH_S = 2.0
"""How long the PLC has to take its epoch."""
_HALF_RANGE = 32767
_TURN = 1 << 32
_FREE_RUNNING_S = 3.0


def take_parts(trial: Trial, settings: AnyPlcSettings, wait_s: float) -> bool:
    """Say UNKNOWN for each part, until a while after the first one; False: none came within `wait_s`.

    PlcError: the link failed, or another agent began to write. In free-running mode nothing but the encoder
    tells of parts: then it is polled for 3 s at the most.
    """
    if settings.mode == "free_running":
        trial.start_anew()
        trial.follow(lambda _: False, min(wait_s, _FREE_RUNNING_S))
        return False
    last_id = trial.start_anew().words[2]

    def answer(sample: Sample) -> bool:
        nonlocal last_id
        is_new, last_id = sample.words[2] != last_id, sample.words[2]
        if is_new:
            trial.say_unknown(sample)
        return is_new

    came = trial.follow(answer, wait_s)
    if came:
        trial.write()
        trial.follow(lambda sample: answer(sample) and False, AFTER_S)
    return came


def await_epoch(trial: Trial) -> Finding:
    """See that the PLC takes a PLC_EPOCH once its 0 was answered, which the generated block waits for.

    PlcError: the link failed, or another agent began to write.
    """
    trial.start_anew()
    if trial.follow(lambda sample: sample.words[8] != 0, EPOCH_S):
        epoch = trial.heard.samples[-1].words[8]
        trial.echo(epoch)
        return passed(EPOCH_STEP, f"PLC_EPOCH (word 8) became {epoch} once its 0 was answered")
    return failed(
        EPOCH_STEP,
        f"PLC_EPOCH (word 8) stayed 0 for {EPOCH_S:g} s of an agent's heartbeat: the PLC is still starting",
        "at the end of each start of the PLC set it to a number other than 0 and other than the last one",
    )


def await_confirmation(trial: Trial, wait_s: float) -> Finding:
    """Wait until the reject sensor confirms a part of this trial: none of them is accepted.

    PlcError: the link failed, or another agent began to write.
    """
    samples = [sample for sample in trial.heard.samples if not sample.torn]
    seen = {after.words[2] for before, after in pairwise(samples) if before.words[2] != after.words[2]}
    if trial.follow(lambda sample: sample.words[9] in seen, wait_s):
        return passed(CONFIRM_STEP, f"the reject of part {trial.heard.samples[-1].words[9]} was confirmed")
    return failed(
        CONFIRM_STEP,
        f"no reject was confirmed within {wait_s:g} s: REJECT_CONFIRM_ID (word 9) is {samples[-1].words[9]}",
        "check the reject gate and its sensor, and write the part's id to word 9 when the sensor sees it",
    )


def check_parts(
    trial: Trial, settings: AnyPlcSettings, recipes: Collection[int], *, came: bool
) -> Iterator[Finding]:
    """Say what the polls of `take_parts` show."""
    samples = [sample for sample in trial.heard.samples if not sample.torn]
    if settings.mode == "free_running":
        yield check_speed(samples, settings.max_speed_counts_per_s)
        yield check_word_order(samples)
        return
    yield (
        check_ids(samples)
        if came
        else failed(
            TRIGGER_STEP,
            f"no part came: TRIG_ID stayed at {samples[-1].words[2]}",
            "check the photo-eye and its input, and that the PLC counts TRIG_ID up at its rising edge",
        )
    )
    if came:
        first = next(after for before, after in pairwise(samples) if before.words[2] != after.words[2])
        yield check_enabled(first)
        yield check_age(samples, settings.max_trigger_age_ms)
        yield check_recipe(first, recipes)
        yield check_texts(first)
        yield check_position(first, settings.max_speed_counts_per_s)
        yield check_acknowledged(samples, trial.vision.result_seq)
    yield check_word_order(samples)


def check_ids(samples: Sequence[Sample]) -> Finding:
    """TRIG_ID counts by one, skips 0, and goes on in the same epoch."""
    ids = [samples[0].words[2]]
    for before, after in pairwise(samples):
        old, new = before.words[2], after.words[2]
        if before.words[8] != after.words[8]:
            return failed(
                TRIGGER_STEP,
                f"PLC_EPOCH changed from {before.words[8]} to {after.words[8]} meanwhile",
                "keep the PLC in RUN during the test; the epoch changes at a start of the PLC alone",
            )
        if old == new:
            continue
        ids.append(new)
        distance = id_distance(old, new)
        if new == 0 or distance != 1:
            how = "back" if distance > _HALF_RANGE or new == 0 else f"by {distance}"
            return failed(
                TRIGGER_STEP,
                f"TRIG_ID went from {old} to {new}: {how}, not on by one",
                "add 1 at each part, 65535 is followed by 1; take a new PLC_EPOCH whenever ids start anew",
            )
    named = ", ".join(map(str, ids[1:6]))
    return passed(TRIGGER_STEP, f"TRIG_ID went from {ids[0]} on by one to {named}")


def check_enabled(sample: Sample) -> Finding:
    """A part is judged only while TriggerEnable is set."""
    if Control.TRIGGER_ENABLE in sample.plc.control:
        return passed(ENABLED_STEP, "set when the part came")
    return failed(
        ENABLED_STEP,
        "bit 0 of CONTROL (word 1) was not set when the part came: it would be UNKNOWN/41",
        "set TriggerEnable while the line runs",
    )


def check_age(samples: Sequence[Sample], limit_ms: float) -> Finding:
    """How old a trigger may be when it is seen: since the start of the poll before."""
    ages = [
        1000 * (after.ended - before.started)
        for before, after in pairwise(samples)
        if before.words[2] != after.words[2]
    ]
    text = f"a trigger was at most {max(ages):.1f} ms old when it was seen"
    if max(ages) > limit_ms:
        return failed(
            AGE_STEP,
            f"{text}, over plc.max_trigger_age_ms ({limit_ms:g}): its part would be UNKNOWN/20",
            "take a faster link, lighten the load, or raise it if the parts' distance allows",
        )
    return passed(AGE_STEP, f"{text}; the limit is {limit_ms:g} ms")


def check_position(sample: Sample, max_speed: float) -> Finding:
    """ENCODER (words 4 and 5) lies behind ENCODER_NOW (10 and 11), in the same order of words."""
    plc = sample.plc
    behind = (plc.encoder_now - plc.encoder) % _TURN
    if plc.encoder == plc.encoder_now == 0:
        return skipped(POSITION_STEP, "both encoders are 0: none is used")
    if behind <= max_speed:  # what the belt can move in a second
        return passed(POSITION_STEP, f"ENCODER is {plc.encoder}, {behind} counts behind ENCODER_NOW")
    swapped = (plc.encoder & 0xFFFF) << 16 | plc.encoder >> 16
    if (plc.encoder_now - swapped) % _TURN <= max_speed:
        return failed(
            POSITION_STEP,
            f"ENCODER is {plc.encoder}, which is ENCODER_NOW with its words swapped",
            "put the high word first in words 4 and 5 too",
        )
    return warned(
        POSITION_STEP,
        f"ENCODER is {plc.encoder} and ENCODER_NOW {plc.encoder_now}: not of the same count",
        "latch ENCODER_NOW into words 4 and 5 in the scan that counts TRIG_ID up",
    )


def check_acknowledged(samples: Sequence[Sample], sequence: int) -> Finding:
    """ACK_SEQ follows RESULT_SEQ; only with BufferResults is it needed."""
    followed = {sample.words[6] for sample in samples[1:]} & set(range(1, sequence + 1))
    if samples[0].words[6] == 0 and followed:  # the last verdict may have come too late for an answer
        return passed(ACK_STEP, f"ACK_SEQ (word 6) followed RESULT_SEQ to {max(followed)}")
    text = f"ACK_SEQ (word 6) is {samples[-1].words[6]}, RESULT_SEQ (word 37) was {sequence}"
    remedy = "let the PLC copy word 37 to word 6 when it has taken a verdict"
    if Control.BUFFER_RESULTS in samples[-1].plc.control:
        return failed(ACK_STEP, f"{text}, and BufferResults is set", remedy)
    return warned(ACK_STEP, f"{text}; with BufferResults it is needed", remedy)


def check_speed(samples: Sequence[Sample], max_speed: float) -> Finding:
    """ENCODER_NOW moves no faster than the configuration says; free-running mode alone."""
    fastest = 0.0
    for before, after in pairwise(samples):
        moved = (after.plc.encoder_now - before.plc.encoder_now) % _TURN
        moved = min(moved, _TURN - moved)
        # The two polls may have seen the encoder at any moment of theirs.
        fastest = max(fastest, moved / (after.ended - before.started))
    text = f"ENCODER_NOW moved {fastest:.0f} counts/s at the most"
    if fastest == 0.0:
        return failed(
            SPEED_STEP,
            "ENCODER_NOW stood still",
            "run the belt meanwhile, and check the encoder and its counter: without it no part has a place",
        )
    if fastest > max_speed:
        limit = f"plc.max_speed_counts_per_s ({max_speed:g})"
        return failed(SPEED_STEP, f"{text}, over {limit}", "correct it to the belt's highest speed")
    return passed(SPEED_STEP, f"{text}, under {max_speed:g}")


def check_write_timing(write_ms: list[float], timeout_ms: float) -> Finding:
    """A write of the whole image stays well under the time-out."""
    p50, p99 = percentile(write_ms, 50), percentile(write_ms, 99)
    text = f"a write takes p50 {p50:.1f} ms, p99 {p99:.1f} ms"
    if p99 > timeout_ms / 2:
        return warned(
            "write time", f"{text}: near plc.timeout_ms ({timeout_ms:g})", "raise it, or take a faster link"
        )
    return passed("write time", text)
