"""The belt: parts come in order, once each, at the eye and a distance later at the gate."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from inspectd.io.conveyor import Conveyor, Crossing
from inspectd.io.plc_simulator_settings import PlcSimulatorSettings


def run(conveyor: Conveyor, seconds: float, step_s: float = 0.01, start: float = 0.0) -> float:
    steps = round(seconds / step_s)
    for count in range(1, steps + 1):
        conveyor.advance(start + count * step_s)
    return start + steps * step_s


@settings(deadline=None, max_examples=25)
@given(
    rate=st.floats(1, 30),
    jitter=st.floats(0, 0.4),
    distance=st.integers(1, 6000),
    seed=st.integers(0, 1000),
)
def test_each_part_crosses_eye_and_gate_once_in_order(
    rate: float, jitter: float, distance: int, seed: int
) -> None:
    """Every part is seen once by each sensor, and the belt moved the distance in between."""
    line = PlcSimulatorSettings(rate=rate, spacing_jitter=jitter, gate_distance=distance, seed=seed, parts=8)
    conveyor = Conveyor(line)
    conveyor.advance(0.0)
    conveyor.running = True
    run(conveyor, (9 + distance / line.pitch) / rate + 0.1)
    eye, gate = conveyor.take_eye(), conveyor.take_gate()
    assert [crossing.part for crossing in eye] == list(range(1, 9))
    assert [crossing.part for crossing in gate] == list(range(1, 9))
    assert all(after.travel - before.travel == distance for before, after in zip(eye, gate, strict=True))
    assert all(after.at - before.at >= 0 for before, after in zip(eye, gate, strict=True))
    assert conveyor.finished
    assert conveyor.take_eye() == []


def test_a_stopped_belt_moves_nothing() -> None:
    """Time alone does not move a part."""
    conveyor = Conveyor(PlcSimulatorSettings(rate=10))
    conveyor.advance(0.0)
    run(conveyor, 5.0)
    assert (conveyor.travel, conveyor.eye_part, conveyor.seconds_to_eye()) == (0, 0, None)


def test_a_hold_up_of_the_process_is_one_of_its_world() -> None:
    """After a stall of a second the belt has moved by two scans, so that no parts pass unscanned."""
    conveyor = Conveyor(PlcSimulatorSettings(rate=10, pitch=1000, scan_ms=10))
    conveyor.advance(0.0)
    conveyor.running = True
    conveyor.advance(1.0)
    assert conveyor.travel == 200


def test_the_next_part_is_foretold() -> None:
    """The time to the photo-eye is right to a count, so that the wire can act in between two scans."""
    conveyor = Conveyor(PlcSimulatorSettings(rate=2, pitch=1000, parts=1))
    conveyor.advance(0.0)
    conveyor.running = True
    now = run(conveyor, 0.4)
    soon = conveyor.seconds_to_eye()
    assert soon is not None
    assert abs(soon - 0.1) < 0.001
    now = run(conveyor, soon - 0.01, 0.001, now)
    assert conveyor.advance(now + 0.011) == [Crossing(1, 1000, now + 0.011)]
    assert conveyor.seconds_to_eye() is None
