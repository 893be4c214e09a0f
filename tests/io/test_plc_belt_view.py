"""The belt of the PLC twin as it is shown: every part between photo-eye and gate, with its verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from inspectd.io.plc import CONTRACT_VERSION, Reason, Ring, RingEntry, Status, Verdict, VisionImage
from inspectd.io.plc_belt_view import belt_view
from inspectd.io.plc_simulator_settings import PlcSimulatorSettings
from inspectd.io.plc_twin import PlcTwin


@dataclass(frozen=True)
class Good:
    kind: str | None = None
    size: float = 0.0


def running_twin() -> tuple[PlcTwin, Iterator[float]]:
    """A twin whose PLC has started, and the times of its scans."""
    twin = PlcTwin(PlcSimulatorSettings(rate=10.0, gate_distance=3000, starting_s=0.0), lambda _: Good())
    times = (n / 100 for n in range(10_000))
    twin.power_on(0.0)
    twin.step(next(times))
    return twin, times


def test_parts_are_shown_from_the_photo_eye_to_the_gate() -> None:
    """The one nearest to the gate first; who has passed it is gone."""
    twin, times = running_twin()
    while twin.conveyor.gate_part < 2:
        twin.step(next(times))
    parts = belt_view(twin)
    assert [part["part"] for part in parts] == list(range(3, twin.conveyor.eye_part + 1))
    assert [part["trig_id"] for part in parts] == [part["part"] for part in parts]
    places = [part["past_eye"] for part in parts]
    assert places == sorted(places, reverse=True)
    assert 0 <= places[-1] <= places[0] <= 3000


def test_a_verdict_is_shown_only_where_it_is_the_parts_own() -> None:
    """Its id and its CHECK must fit; another epoch's does not."""
    twin, times = running_twin()
    while twin.conveyor.eye_part < 2:
        twin.step(next(times))
    ring = Ring()
    for number, epoch in ((1, twin.epoch), (2, twin.epoch ^ 1)):
        ring.put(RingEntry.make(number, Verdict.ACCEPT, Reason.NONE, 500, 0, epoch=epoch, recipe=1))
    vision = VisionImage(status=Status.ONLINE, version=CONTRACT_VERSION, plc_epoch=twin.epoch, station=1)
    twin.memory.write(32, vision.pack() + ring.pack())
    twin.step(next(times))
    assert [part["verdict"] for part in belt_view(twin)][:2] == [Verdict.ACCEPT, Verdict.NONE]


def test_a_plc_that_is_off_knows_no_ids() -> None:
    """The parts are there all the same: the belt runs on."""
    twin, times = running_twin()
    while twin.conveyor.eye_part < 2:
        twin.step(next(times))
    twin.power_off()
    assert [(part["part"], part["trig_id"]) for part in belt_view(twin)] == [(1, 0), (2, 0)]
