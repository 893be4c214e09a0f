"""The PLC twin's side of trigger and result: when an id may be issued, and how results are taken.

With the trigger by id change an id may be issued at any time, and each result shown is taken as its
RESULT_SEQ comes. In the level handshake the PLC raises Trigger only while TriggerReady, holds it until
TriggerAck, and answers ResultsValid with ResultAck.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.io.plc import Control, Status, VisionImage, vision_words_torn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from inspectd.io.gate import Cell
    from inspectd.io.plc_simulator_settings import Panel

TRIGGER_LIMIT_S = 0.5
"""A Trigger that nobody acknowledges is given up after this time."""


class PlcHandshake:
    """One PLC's trigger by id change; `find` gives the part that an id was issued to last, if it was."""

    def __init__(self, panel: Panel, find: Callable[[int], Cell | None]) -> None:
        self._panel = panel
        self._find = find
        self.control = Control(0)
        """Bits of CONTROL that the handshake sets: Trigger and ResultAck."""
        self.ack_seq = 0
        self._vision = VisionImage()

    def scan(self, now: float, words: Sequence[int]) -> None:
        """Look at words 32 to 51 as of this scan; `now` in s, monotonic."""
        self._vision = VisionImage.unpack(words)
        self._follow_trigger(now)
        if not vision_words_torn(words):
            self._follow_result()

    def may_trigger(self) -> bool:
        """Whether an id may be issued in this scan."""
        return True

    def trigger(self, cell: Cell) -> None:
        """An id is issued to this part in this scan."""

    def _follow_trigger(self, now: float) -> None:
        pass

    def _follow_result(self) -> None:
        if self._vision.result_seq != self.ack_seq:
            self._take()

    def _take(self) -> None:
        """Take the result shown for the part that it names."""
        cell = self._find(self._vision.result_trig_id)
        if cell is not None and self._vision.verdict:
            cell.taken = self._vision.verdict
        if self._panel.ack_results:
            self.ack_seq = self._vision.result_seq


class PlcLevelHandshake(PlcHandshake):
    """One PLC's level handshake."""

    def __init__(self, panel: Panel, find: Callable[[int], Cell | None]) -> None:
        super().__init__(panel, find)
        self._raised_at = 0.0

    def may_trigger(self) -> bool:
        """Whether TriggerReady stands, and no Trigger of ours."""
        ready = Status.TRIGGER_READY in self._vision.status or not self._panel.heed_ready
        return ready and Control.TRIGGER not in self.control

    def trigger(self, cell: Cell) -> None:
        """Raise Trigger in the scan that issues the id."""
        self.control |= Control.TRIGGER
        self._raised_at = cell.issued_at

    def _follow_trigger(self, now: float) -> None:
        """Drop Trigger once it was acknowledged, or nobody does."""
        answered = Status.TRIGGER_ACK in self._vision.status
        if answered or now - self._raised_at > TRIGGER_LIMIT_S:
            self.control &= ~Control.TRIGGER

    def _follow_result(self) -> None:
        """Take a result with ResultsValid, raise ResultAck, and drop it with ResultsValid."""
        valid = Status.RESULTS_VALID in self._vision.status
        if not valid:
            self.control &= ~Control.RESULT_ACK
        elif Control.RESULT_ACK not in self.control:
            self._take()
            if self._panel.ack_results:
                self.control |= Control.RESULT_ACK


HANDSHAKES: dict[str, type[PlcHandshake]] = {"id_change": PlcHandshake, "level": PlcLevelHandshake}
