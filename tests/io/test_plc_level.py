"""The PLC twin's side of the level handshake, scan by scan."""

from __future__ import annotations

import pytest

from inspectd.io.gate import Cell
from inspectd.io.plc import Control, Status, Verdict, VisionImage
from inspectd.io.plc_level import TRIGGER_LIMIT_S, PlcHandshake, PlcLevelHandshake
from inspectd.io.plc_simulator_settings import Panel

READY, TRIGGER_ACK, VALID = Status.TRIGGER_READY, Status.TRIGGER_ACK, Status.RESULTS_VALID
NOTHING = Control(0)


class Plc:
    """One PLC with the parts that it issued ids to; `see` is a scan that finds these words."""

    def __init__(self, kind: type[PlcHandshake] = PlcLevelHandshake) -> None:
        self.panel = Panel(recipe=1, lot="L")
        self.cells: dict[int, Cell] = {}
        self.now = 10.0
        self.handshake = kind(self.panel, self.cells.get)

    def see(self, status: Status = Status(0), *, torn: int = 0, **fields: int) -> Control:  # noqa: B008
        self.now += 0.01
        words = VisionImage(status=status, **fields).pack()
        words[15] += torn
        self.handshake.scan(self.now, words)
        return self.handshake.control

    def issue(self, trig_id: int) -> Cell:
        assert self.handshake.may_trigger()
        cell = Cell(position=0, epoch=1, recipe=1, trig_id=trig_id, issued_at=self.now)
        self.cells[trig_id] = cell
        self.handshake.trigger(cell)
        return cell


def test_trigger_is_raised_only_while_trigger_ready() -> None:
    plc = Plc()
    plc.see()
    assert not plc.handshake.may_trigger()
    plc.see(READY)
    plc.issue(5)
    assert plc.handshake.control == Control.TRIGGER
    assert not plc.handshake.may_trigger()


def test_trigger_stands_until_trigger_ack() -> None:
    plc = Plc()
    plc.see(READY)
    plc.issue(5)
    assert plc.see(READY) == Control.TRIGGER
    assert plc.see() == Control.TRIGGER
    assert plc.see(TRIGGER_ACK) == NOTHING


def test_a_trigger_that_nobody_acknowledges_is_given_up() -> None:
    plc = Plc()
    plc.see(READY)
    plc.issue(5)
    plc.now += TRIGGER_LIMIT_S - 0.02
    assert plc.see() == Control.TRIGGER
    plc.now += 0.01
    assert plc.see() == NOTHING


def test_a_result_is_taken_once_and_acknowledged_until_it_falls() -> None:
    plc = Plc()
    plc.see(READY)
    cell = plc.issue(5)
    assert plc.see(TRIGGER_ACK) == NOTHING
    result = {"result_seq": 9, "result_trig_id": 5, "verdict": Verdict.ACCEPT}
    assert plc.see(VALID, **result) == Control.RESULT_ACK
    assert (cell.taken, plc.handshake.ack_seq) == (Verdict.ACCEPT, 9)
    assert plc.see(VALID, **result) == Control.RESULT_ACK
    assert plc.see(result_seq=9) == NOTHING


def test_a_result_belongs_to_the_part_that_it_names() -> None:
    """Not to the part triggered last; one that names no part of this PLC is acknowledged all the same."""
    plc = Plc()
    plc.see(READY)
    first = plc.issue(5)
    plc.see(TRIGGER_ACK)
    plc.see(READY)
    second = plc.issue(6)
    plc.see(VALID, result_seq=3, result_trig_id=5, verdict=Verdict.REJECT)
    assert (first.taken, second.taken) == (Verdict.REJECT, 0)
    plc.see()
    assert plc.see(VALID, result_seq=4, result_trig_id=77, verdict=Verdict.ACCEPT) & Control.RESULT_ACK
    assert second.taken == 0


def test_a_torn_image_brings_no_result() -> None:
    plc = Plc()
    plc.see(READY)
    cell = plc.issue(5)
    plc.see(VALID, result_seq=3, result_trig_id=5, verdict=Verdict.ACCEPT, torn=1)
    assert (cell.taken, plc.handshake.ack_seq) == (0, 0)


@pytest.mark.parametrize("kind", [PlcHandshake, PlcLevelHandshake])
def test_a_plc_that_acknowledges_nothing(kind: type[PlcHandshake]) -> None:
    """Neither ACK_SEQ nor ResultAck; it takes the results all the same."""
    plc = Plc(kind)
    plc.panel.ack_results = False
    plc.see(READY)
    cell = plc.issue(5)
    plc.see(TRIGGER_ACK)
    assert plc.see(VALID, result_seq=3, result_trig_id=5, verdict=Verdict.REJECT) == NOTHING
    assert (cell.taken, plc.handshake.ack_seq) == (Verdict.REJECT, 0)


def test_a_plc_that_does_not_heed_trigger_ready() -> None:
    plc = Plc()
    plc.panel.heed_ready = False
    plc.see()
    plc.issue(5)
    assert plc.handshake.control == Control.TRIGGER


def test_the_trigger_by_id_change_takes_each_result_seq() -> None:
    """An id may be issued at any time, and CONTROL stays as it is."""
    plc = Plc(PlcHandshake)
    plc.see()
    cells = [plc.issue(5), plc.issue(6)]
    for number, cell in enumerate(cells):
        plc.see(VALID, result_seq=3 + number, result_trig_id=cell.trig_id, verdict=Verdict.ACCEPT)
        assert (cell.taken, plc.handshake.ack_seq) == (Verdict.ACCEPT, 3 + number)
    assert plc.handshake.control == NOTHING
