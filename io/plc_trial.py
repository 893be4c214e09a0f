"""A trial of the wiring that writes: what an agent writes, with Online off and never an ACCEPT.

It writes words 32 to 131 and reads them back, takes a part as the agent would, says UNKNOWN for it, and
leaves the words safe: not Online, ring empty, epoch 0, so that no later agent takes them for its own.
The reason it gives is the one that an agent started afterwards gives the same parts: restarted meanwhile.
"""

from __future__ import annotations

import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from inspectd.io.errors import PlcError
from inspectd.io.modbus_server import ModbusServer
from inspectd.io.plc import (
    LAST_ID,
    RING_SLOTS,
    VISION_START,
    VISION_WORDS,
    WRITE_COUNT,
    WRITE_START,
    Reason,
    Ring,
    RingEntry,
    Status,
    Verdict,
    VisionImage,
    next_id,
)
from inspectd.io.plc_diagnosis import count_words, explain
from inspectd.io.plc_finding import Listening, Sample, failed, passed
from inspectd.io.plc_polls import polls_of
from inspectd.io.plc_served import check_client_reads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.plc_finding import Finding
    from inspectd.io.plc_settings import AnyPlcSettings
    from inspectd.io.plc_transport import PlcTransport

WRITE_STEP = "writing"
LEAVE_STEP = "left safe"
_SETTLE_S = 0.5  # a PLC may show what was written some scans later
_UNTOUCHED_S = 0.3
_BEAT_S = 0.05
_BOOT_ID = VISION_START + 2


class Trial:
    """One trial over a connected transport; `last`: the last poll of a diagnosis that found nothing wrong.

    `begin`, then `follow` as often as needed, and `leave` in any case. PlcError: the link failed.
    """

    def __init__(
        self,
        settings: AnyPlcSettings,
        transport: PlcTransport,
        last: Sample,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._polls = polls_of(transport, clock)
        self._clock = clock
        self._sleep = sleep
        self._ring = Ring()
        self._beat_at = float("-inf")
        self._wrote = False
        self.epoch = last.plc.plc_epoch
        self.heard = Listening([last])
        self.write_ms: list[float] = []
        self.vision = VisionImage(
            heartbeat=last.words[VISION_START],
            boot_id=1 + secrets.randbelow(LAST_ID),
            plc_epoch=self.epoch,
            station=settings.station,
        )

    # --- writing and reading back ----------------------------------------------------------------------

    def begin(self) -> Finding:
        """Write every word, read it back, and see that nobody else changes it."""
        pattern = self._pattern()
        try:
            self._transport.write(WRITE_START, pattern)
        except PlcError as error:
            return self._explain_refusal(error, pattern)
        self._wrote = True
        found, waited_ms = self._read_back(pattern)
        wrong = [VISION_START + n for n, word in enumerate(found) if word != pattern[n]]
        if len(wrong) > WRITE_COUNT // 2:
            return failed(
                WRITE_STEP,
                f"the PLC acknowledged the write, but {len(wrong)} of 100 words read back otherwise",
                "let the PLC keep what is written to words 32 to 131, in the place from which it is read",
            )
        if wrong:
            return failed(
                WRITE_STEP,
                f"words {_ranges(wrong)} do not keep what was written",
                "let the PLC program only read words 32 to 131, and nobody else write them",
            )
        if other := self._changed_by_others(pattern):
            return failed(
                WRITE_STEP,
                f"words {_ranges(other)} changed by themselves after they were written",
                "find the other writer: the PLC program itself, or another agent with the same address",
            )
        self.write()
        if isinstance(self._transport, ModbusServer):
            return check_client_reads(self._transport)
        return passed(WRITE_STEP, f"words 32 to 131 were written and read back (after {waited_ms:.0f} ms)")

    def _pattern(self) -> list[int]:
        """Words that differ in every slot, UNKNOWN all of them, with a CHECK that fits no part."""
        ring = Ring()
        far = 1 + (self.heard.samples[-1].words[2] // RING_SLOTS + LAST_ID // 2 // RING_SLOTS) % 4000
        for slot in range(RING_SLOTS):
            number = RING_SLOTS * far + slot
            entry = RingEntry.make(
                number, Verdict.UNKNOWN, Reason.RESTARTED, 0x5A00 + slot, 0xA500 + slot, epoch=0, recipe=0
            )
            ring.put(replace(entry, check=entry.check ^ LAST_ID))
        return replace(self.vision, status=Status.DEGRADED).pack() + ring.pack()

    def _explain_refusal(self, error: PlcError, pattern: Sequence[int]) -> Finding:
        def can_write(number: int) -> bool:
            try:
                self._transport.connect()
                self._transport.write(WRITE_START + number, [pattern[number]])
            except PlcError:
                return False
            self._wrote = True
            return True

        there = count_words(WRITE_COUNT, can_write)
        told = explain(WRITE_STEP, error)
        if there == 0:
            text = "not one of words 32 to 131 can be written"
        elif there == WRITE_COUNT:
            text = "each word can be written, but not 100 of them at once"
        else:
            text = f"only words 32 to {WRITE_START + there - 1} can be written"
        return failed(WRITE_STEP, f"{text}: {told.text}", told.remedy)

    def _read_back(self, pattern: Sequence[int]) -> tuple[list[int], float]:
        began = self._clock()
        while True:
            found = self._transport.read(WRITE_START, WRITE_COUNT)
            waited = self._clock() - began
            if found == list(pattern) or waited > _SETTLE_S:
                return found, 1000 * waited
            self._sleep(self._settings.plc_scan_ms / 1000)

    def _changed_by_others(self, pattern: Sequence[int]) -> list[int]:
        until = self._clock() + _UNTOUCHED_S
        while self._clock() < until:
            found = self._transport.read(WRITE_START, WRITE_COUNT)
            if changed := [VISION_START + n for n, word in enumerate(found) if word != pattern[n]]:
                return changed
            self._sleep(self._settings.cycle_ms / 1000)
        return []

    # --- a part, as the agent takes it -----------------------------------------------------------------

    def start_anew(self) -> Sample:
        """Poll afresh, and keep no older poll: from here on polls follow each other as an agent's do."""
        self.heard = Listening()
        until = self._clock() + _SETTLE_S
        while not (samples := self._poll()):
            if self._clock() > until:
                raise PlcError("the PLC has stopped writing words 0 to 31; see that it is in RUN")
            self._sleep(self._settings.cycle_ms / 1000)
        self.heard.samples = samples[-1:]
        return samples[-1]

    def follow(self, is_enough: Callable[[Sample], bool], seconds: float) -> bool:
        """Poll and write every cycle until `is_enough` of a poll that is not torn; False after `seconds`.

        PlcError: the link failed, or another agent began to write; then this one does not any more.
        """
        until = self._clock() + seconds
        while (started := self._clock()) < until:
            for sample in self._poll():
                if self._contested(sample):
                    raise PlcError("another agent began to write words 32 to 131 during the test; stop it")
                if not sample.torn and is_enough(sample):
                    return True
            self.write()
            self._sleep(max(0.0, started + self._settings.cycle_ms / 1000 - self._clock()))
        return False

    def _poll(self) -> list[Sample]:
        samples = [Sample.of(poll) for poll in self._polls.take()]
        self.heard.samples += samples
        return samples

    def _contested(self, sample: Sample) -> bool:
        """Whether another agent wrote its BOOT_ID over this trial's; a PLC that restarts leaves 0 there."""
        return self._wrote and sample.words[_BOOT_ID] not in {0, self.vision.boot_id}

    def write(self) -> None:
        """Write the words as they are, with a heartbeat, as every cycle of an agent does."""
        began = self._clock()
        if began - self._beat_at >= _BEAT_S:
            self._beat_at = began
            self.vision = replace(self.vision, heartbeat=next_id(self.vision.heartbeat))
        self._transport.write(WRITE_START, self.vision.pack() + self._ring.pack())
        self.write_ms.append(1000 * (self._clock() - began))

    def show(self, status: Status) -> None:
        """Set the bits to write from now on. ValueError: Online is none of a trial's."""
        if Status.ONLINE in status:
            raise ValueError("a trial is never Online: its words must stay safe")
        self.vision = replace(self.vision, status=status)

    def say_unknown(self, sample: Sample) -> None:
        """Give the part of this poll its verdict: UNKNOWN, in ring and status block."""
        plc = sample.plc
        verdict, reason = Verdict.UNKNOWN, Reason.RESTARTED
        self._ring.put(
            RingEntry.make(plc.trig_id, verdict, reason, 0, 0, epoch=plc.plc_epoch, recipe=plc.recipe)
        )
        self.vision = replace(
            self.vision,
            acq_id=plc.trig_id,
            result_seq=next_id(self.vision.result_seq),
            result_trig_id=plc.trig_id,
            verdict=verdict,
            reason=reason,
        )

    def echo(self, epoch: int) -> None:
        """Answer with this PLC_EPOCH from now on."""
        self.epoch = epoch
        self.vision = replace(self.vision, plc_epoch=epoch)

    def forget_verdict(self) -> None:
        """Take VERDICT back to none, as the level handshake does before it acknowledges a trigger."""
        self.vision = replace(self.vision, verdict=Verdict.NONE, reason=Reason.NONE)

    # --- the end ---------------------------------------------------------------------------------------

    def leave(self) -> Finding | None:
        """Write the safe words and read them back; None if nothing was written, or another agent writes."""
        if not self._wrote:
            return None
        words = VisionImage(
            heartbeat=self.vision.heartbeat, boot_id=self.vision.boot_id, station=self._settings.station
        ).pack() + [0] * (WRITE_COUNT - VISION_WORDS)
        remedy = "read words 32 to 131 with `inspectd plc watch` before parts run: Online must be off"
        try:
            self._transport.connect()
            if any(self._contested(sample) for sample in self._poll()):
                return None
            self._transport.write(WRITE_START, words)
            found, _ = self._read_back(words)
        except PlcError as error:
            return failed(LEAVE_STEP, f"the words could not be written at the end: {error}", remedy)
        if found != words:
            return failed(LEAVE_STEP, "the words read back otherwise than they were left", remedy)
        return passed(LEAVE_STEP, "Online off, ring empty, no heartbeat")


def _ranges(words: Sequence[int]) -> str:
    """Name words by their ranges: 32, 40 to 44."""
    spans: list[list[int]] = []
    for word in words:
        if spans and word == spans[-1][1] + 1:
            spans[-1][1] = word
        else:
            spans.append([word, word])
    return ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)
