"""What the PLC's words show of its wiring and program: rules over polls, each a finding with its remedy.

Pure: nothing here reads or writes. Words 0 to 31 are looked at, as the contract with the PLC describes them.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from inspectd.io.handshake_faults import PLC_SILENCE_S
from inspectd.io.plc import Control
from inspectd.io.plc_finding import failed, passed, skipped, warned

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from inspectd.io.plc_finding import Finding, Listening, Sample

HEARTBEAT_STEP = "PLC heartbeat"
EPOCH_STEP = "PLC_EPOCH"
TWICE_STEP = "TRIG_ID twice"
CONTROL_STEP = "CONTROL"
RECIPE_STEP = "RECIPE"
TEXT_STEP = "SERIAL and LOT"
ENCODER_STEP = "double words"

_SLOW_BEAT_S = 0.25  # contract: every 100 ms
_MANY_TORN = 0.1
_HIGH, _LOW = 10, 11  # ENCODER_NOW
_TEXTS = {"SERIAL": slice(12, 20), "LOT": slice(20, 28)}
_LOW_BYTE = 0xFF
_PRINTABLE = range(0x20, 0x7F)
_DEFINED = sum(Control)


def check_heartbeat(heard: Listening) -> Finding:
    """Word 0 counts up every 100 ms."""
    changes, rest = len(heard.changes(0)), heard.longest_rest(0)
    if not changes:
        return failed(
            HEARTBEAT_STEP,
            f"HEARTBEAT (word 0) stood at {heard.values(0)[-1]} for {heard.seconds:.1f} s",
            "set the PLC to RUN, and count word 0 up every 100 ms, whatever else the program does",
        )
    text = f"HEARTBEAT (word 0) changed {changes} times in {heard.seconds:.1f} s, longest rest"
    text = f"{text} {1000 * rest:.0f} ms"
    if rest > PLC_SILENCE_S:
        return failed(
            HEARTBEAT_STEP, f"{text}: the agent takes the PLC for lost after 500 ms", "count every 100 ms"
        )
    if rest > _SLOW_BEAT_S or 0 in heard.values(0):
        why = "0 is never used" if 0 in heard.values(0) else "too slow"
        return warned(HEARTBEAT_STEP, f"{text}: {why}", "count every 100 ms from 1 to 65535, then 1 again")
    return passed(HEARTBEAT_STEP, text)


def check_epoch(heard: Listening) -> Finding:
    """Word 8 is not 0 and stays; a PLC may leave it 0 until an agent has answered."""
    values = heard.values(8)
    if values[-1] == 0:
        # The generated block waits like this, so by reading alone it cannot be told from a PLC that hangs.
        return warned(
            EPOCH_STEP,
            "PLC_EPOCH (word 8) is 0: the PLC is starting, or waits for an agent",
            "let `inspectd plc test` write: it says whether the PLC takes an epoch then",
        )
    if len({value for value in values if value}) > 1:
        return failed(
            EPOCH_STEP,
            f"PLC_EPOCH (word 8) changed while the PLC ran ({len(heard.changes(8))} times)",
            "set it once at each start of the PLC and leave it: each change voids the parts on the belt",
        )
    return passed(EPOCH_STEP, f"PLC_EPOCH (word 8) is {values[-1]}")


def check_twice(heard: Listening) -> Finding:
    """Words 2 and 31 are the same, but for a poll in the midst of the PLC's writing."""
    torn, polls = sum(sample.torn for sample in heard.samples), len(heard.samples)
    if torn == polls:
        last = heard.samples[-1].words
        return failed(
            TWICE_STEP,
            f"word 2 is {last[2]} and word 31 is {last[31]} in every poll: none can be used",
            "write TRIG_ID to word 31 too, after all other words",
        )
    if torn > _MANY_TORN * polls:
        return warned(
            TWICE_STEP,
            f"words 2 and 31 differ in {torn} of {polls} polls",
            "write words 2 and 31 in the same scan; a server that copies the words in pieces tears them",
        )
    return passed(TWICE_STEP, f"words 2 and 31 agree in {polls - torn} of {polls} polls")


def check_control(sample: Sample) -> Finding:
    """Word 1 has its bits where the contract has them, and TriggerEnable set."""
    word = sample.words[1]
    if word > _LOW_BYTE and word & _LOW_BYTE == 0:
        return failed(
            CONTROL_STEP,
            f"CONTROL (word 1) is 0x{word:04X}: its bits stand in the high byte",
            "bit 0 is the lowest of the word; in an S7 data block that is DBX(2n+1).0, not DBX(2n).0",
        )
    if unknown := word & ~_DEFINED:
        return warned(
            CONTROL_STEP,
            f"CONTROL (word 1) is 0x{word:04X}: the bits 0x{unknown:04X} mean nothing",
            "leave bits 7 to 15 at 0",
        )
    if Control.SET_OFFLINE in Control(word):
        return warned(
            CONTROL_STEP, "SetOffline is set: the agent will not go Online", "clear bit 6 of word 1"
        )
    if Control.TRIGGER_ENABLE not in Control(word):
        return warned(
            CONTROL_STEP,
            "TriggerEnable is not set: parts will not be judged",
            "set bit 0 of word 1 while the line runs",
        )
    return passed(CONTROL_STEP, f"CONTROL (word 1) is 0x{word:04X}, TriggerEnable is set")


def check_recipe(sample: Sample, recipes: Collection[int]) -> Finding:
    """Word 3 names a class of the configuration."""
    plc = sample.plc
    if plc.recipe in recipes:
        return passed(RECIPE_STEP, f"RECIPE (word 3) is {plc.recipe}, a class of this station")
    if plc.recipe == 0 and plc.trig_id == 0:
        return skipped(RECIPE_STEP, "RECIPE (word 3) is 0: there was no part yet")
    known = ", ".join(map(str, sorted(recipes)))
    return failed(
        RECIPE_STEP,
        f"RECIPE (word 3) is {plc.recipe}, for which the station has no class: its parts are UNKNOWN/41",
        f"send one of {known} with each part, or add a class with this recipe to the configuration",
    )


def check_texts(sample: Sample) -> Finding:
    """Words 12 to 27 hold plain ASCII, padded with zeros."""
    for name, place in _TEXTS.items():
        data = b"".join(word.to_bytes(2, "big") for word in sample.words[place])
        text, _, rest = data.partition(b"\0")
        if _is_s7_string(data):
            return warned(
                TEXT_STEP,
                f"{name} begins with the two length bytes of an S7 STRING",
                "use Array[0..15] of Char (or Byte) in the data block",
            )
        if any(byte not in _PRINTABLE for byte in text) or any(rest):
            return warned(
                TEXT_STEP,
                f"{name} holds {data!r}, which is not ASCII padded with zeros",
                "write 16 ASCII characters, two in each word, the first one in the high byte, then zeros",
            )
    return passed(TEXT_STEP, f"SERIAL is {sample.plc.serial!r}, LOT is {sample.plc.lot!r}")


def _is_s7_string(data: bytes) -> bool:
    longest, used = data[0], data[1]
    return longest >= used and longest not in _PRINTABLE and longest != 0


def check_word_order(samples: Sequence[Sample]) -> Finding:
    """ENCODER_NOW moves in its low word: in the other order it jumps by 65536."""
    pairs = list(pairwise(samples))
    high, low = (
        sum(before.words[word] != after.words[word] for before, after in pairs) for word in (_HIGH, _LOW)
    )
    if not high and not low:
        now = samples[-1].plc.encoder_now if samples else 0
        return skipped(
            ENCODER_STEP,
            f"ENCODER_NOW (words 10 and 11) stood at {now}",
            "run the belt meanwhile to have the order of its words checked",
        )
    if high > low:
        return failed(
            ENCODER_STEP,
            f"ENCODER_NOW jumps by 65536: its high word (10) changed {high} times, its low word (11) {low}",
            "swap the words of every double word: the high word comes first (words 4-5 and 10-11)",
        )
    return passed(ENCODER_STEP, f"ENCODER_NOW moves in its low word ({low} changes)")
