"""`inspectd plc test` on a PLC that runs the generated block: freshly loaded, it passes every step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from inspectd.agent.cli.plc_trial import TrialOptions, walk
from inspectd.io.plc import PLC_WORDS, READ_COUNT, VISION_START, Status, VisionImage
from inspectd.io.plc_finding import Finding, Outcome, Sample
from inspectd.io.plc_settings import ModbusTcpSettings
from inspectd.io.plc_trial import Trial
from inspectd.io.plc_trial_level import take_level_part
from inspectd.io.plc_trial_part import await_epoch, check_parts, take_parts
from tests.iec.gate_line import SET_UP
from tests.iec.st_plc import GateBlock, gate_source

if TYPE_CHECKING:
    from collections.abc import Sequence

SCAN_S = 0.01
REQUEST_S = 0.0005
COUNTS_PER_SCAN = 10
PARTS_AT_S = (2.0, 2.5)


class GatePlc:
    """A transport to a PLC that scans the block as time passes with each request."""

    def __init__(self, handshake: str) -> None:
        self.now = self._scanned_at = 0.0
        self._gate = GateBlock(gate_source("st", "plc_triggered", handshake=handshake), "st")
        self._words = [0] * (PLC_WORDS + 100)
        self.connect()

    def connect(self) -> None:
        self.sleep(REQUEST_S)

    def read(self, start: int, count: int) -> list[int]:
        self.sleep(REQUEST_S)
        return self._words[start : start + count]

    def write(self, start: int, words: Sequence[int]) -> None:
        self.sleep(REQUEST_S)
        self._words[start : start + len(words)] = words
        assert Status.ONLINE not in VisionImage.unpack(self._words[VISION_START:READ_COUNT]).status

    def close(self) -> None:
        """Nothing: it is no connection."""

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += max(seconds, 0.0001)
        while self._scanned_at + SCAN_S <= self.now:
            self._scanned_at += SCAN_S
            encoder = 70_000 + COUNTS_PER_SCAN * round(self._scanned_at / SCAN_S)
            at_eye = any(0 <= self._scanned_at - at < 0.05 for at in PARTS_AT_S)
            sensors = {"EYE": at_eye, "EYE_ENCODER": encoder, "GATE": False, "GATE_ENCODER": encoder}
            vision = self._words[VISION_START:]
            words = self._gate.call(self._scanned_at, vision, ENCODER=encoder, **SET_UP, **sensors)
            self._words[:PLC_WORDS] = words
            assert not self._gate.block["ACCEPT"]


def findings(handshake: str) -> list[Finding]:
    plc = GatePlc(handshake)
    settings = ModbusTcpSettings.model_validate({"host": "127.0.0.1", "handshake": handshake})
    plc.sleep(0.3)
    last = Sample(plc.read(0, READ_COUNT), plc.now - REQUEST_S, plc.now)
    assert last.plc.plc_epoch == 0, "the block waits for an agent"
    trial = Trial(settings, plc, last, plc.clock, plc.sleep)
    found = [trial.begin(), await_epoch(trial)]
    if handshake == "level":
        return found + list(take_level_part(trial, 5.0))
    came = take_parts(trial, settings, 5.0)
    return found + list(check_parts(trial, settings, {1}, came=came))


@pytest.mark.parametrize("handshake", ["id_change", "level"])
def test_the_generated_block_passes(handshake: str) -> None:
    """It takes its epoch when the trial answers its 0, and a part of then is told by its id."""
    found = findings(handshake)
    assert {finding.outcome for finding in found} == {Outcome.PASSED}, [str(each) for each in found]
    assert {"writing", "PLC_EPOCH"} < {finding.step for finding in found}


def test_the_command_looks_at_the_epoch_again() -> None:
    """By reading alone 0 is a warning; once the words are written the block has an epoch, part or none."""
    plc = GatePlc("id_change")
    settings = ModbusTcpSettings.model_validate({"host": "127.0.0.1"})
    options = TrialOptions(yes=True, wait_s=0, as_json=True)
    steps = list(walk(settings, plc, {1}, options, confirmed=False))
    told = [each.outcome for each in steps if each.step == "PLC_EPOCH"]
    assert told == [Outcome.WARNED, Outcome.PASSED], [str(each) for each in steps]
