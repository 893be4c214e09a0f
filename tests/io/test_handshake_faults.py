"""Offline, faults, other writers and heartbeats, each as the contract says."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from handshake_bench import BOOT_ID, READY, UNKNOWN_41, Bench

from inspectd.io.handshake import Handshake, Poll
from inspectd.io.plc import (
    Control,
    FaultCode,
    PlcImage,
    Reason,
    Status,
    VisionImage,
)
from inspectd.io.plc_events import (
    AgentState,
    FaultCleared,
    RecordedIds,
    Settled,
)
from inspectd.io.plc_settings import PlcSettings


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({"control": Control(0)}, READY),
        ({"control": Control.TRIGGER_ENABLE | Control.SET_OFFLINE}, READY),
        ({"recipe": 0}, READY),
        ({"recipe": 3}, READY),
        ({"version": 2}, READY),
        ({}, replace(READY, online=False)),
    ],
)
def test_a_part_that_may_not_be_inspected_is_unknown_41(changes: dict[str, Any], state: AgentState) -> None:
    """No TriggerEnable, SetOffline, no or unknown recipe, bad version, agent not online."""
    bench = Bench()
    bench.state = state
    (settled,) = bench.poll(trig_id=101, **changes)
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.OFFLINE
    assert bench.verdict_of(101) == UNKNOWN_41


def test_set_offline_takes_the_station_offline() -> None:
    bench = Bench()
    bench.poll(control=Control.TRIGGER_ENABLE | Control.SET_OFFLINE)
    assert Status.ONLINE not in bench.vision.status
    assert Status.TRIGGER_READY not in bench.vision.status


def test_a_bad_version_latches_until_clear_fault_rises() -> None:
    """ClearFault clears on its rising edge alone, and only once the reason is gone."""
    bench = Bench()
    bench.poll(version=2)
    assert bench.vision.fault == FaultCode.BAD_VERSION
    bench.poll(control=Control.TRIGGER_ENABLE | Control.CLEAR_FAULT)
    assert bench.vision.fault == FaultCode.BAD_VERSION
    bench.poll(version=1)
    assert bench.vision.fault == FaultCode.BAD_VERSION
    bench.poll(control=Control.TRIGGER_ENABLE)
    assert bench.poll(control=Control.CLEAR_FAULT) == [FaultCleared()]
    assert bench.vision.fault == FaultCode.NONE
    assert bench.poll() == []


def test_the_agents_own_fault_is_shown_and_the_links_latched_one_first() -> None:
    bench = Bench()
    bench.state = replace(READY, fault=FaultCode.CAMERA_LOST)
    bench.poll()
    assert bench.vision.fault == FaultCode.CAMERA_LOST
    bench.poll(version=2)
    assert bench.vision.fault == FaultCode.BAD_VERSION
    assert bench.handshake.link_fault(bench.now) is FaultCode.BAD_VERSION


@pytest.mark.parametrize("foreign", [(4243, 9), (BOOT_ID, 8)])
def test_a_foreign_boot_id_or_station_latches_and_stops_writing(foreign: tuple[int, int]) -> None:
    """Once an own write was acknowledged and read back, anybody else's words mean another writer."""
    bench = Bench()
    bench.poll()
    bench.block[2], bench.block[19] = foreign
    bench.poll()
    assert not bench.handshake.may_write
    assert bench.handshake.link_fault(bench.now) is FaultCode.TWO_WRITERS
    (settled,) = bench.poll(trig_id=101)
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.OFFLINE
    bench.poll(control=Control.CLEAR_FAULT)
    assert bench.handshake.may_write
    bench.write()
    bench.poll()
    assert bench.vision.fault == FaultCode.NONE
    bench.block[2], bench.block[19] = foreign
    bench.poll()
    assert not bench.handshake.may_write


def test_another_writer_is_seen_even_if_own_words_are_never_read_back() -> None:
    """Two agents in step: each reads only the other's words."""
    bench = Bench()
    bench.block[2] = 4243
    bench.poll()
    assert not bench.handshake.may_write


def test_what_stood_there_before_the_first_write_is_not_another_writer() -> None:
    """A PLC may acknowledge a write a scan before its reads show it."""
    old = VisionImage(boot_id=77, station=9).pack() + [0] * 80
    settings = PlcSettings(host="127.0.0.1", station=9)
    handshake = Handshake(settings, frozenset({1}), BOOT_ID)
    words = PlcImage(plc_epoch=7, trig_id=5).pack() + old[:20]
    handshake.begin(Poll(words, 0.0, 0.001), old, RecordedIds(), 0.001)
    own = handshake.words(READY, 0.002)
    handshake.acknowledge()
    handshake.feed(Poll(words, 0.005, 0.006), READY, 0.006)
    assert handshake.may_write
    handshake.feed(Poll(words[:32] + own[:20], 0.010, 0.011), READY, 0.011)
    handshake.feed(Poll(words, 0.015, 0.016), READY, 0.016)
    assert not handshake.may_write


def test_a_plc_restart_that_wipes_our_words_is_not_another_writer() -> None:
    bench = Bench()
    bench.poll()
    bench.block = [0] * 100
    bench.poll(plc_epoch=8)
    assert bench.handshake.may_write


def test_the_heartbeat_counts_only_while_the_loop_beats() -> None:
    """+1 at least every 100 ms with the slowest cycle; it stands still while the agent hangs."""
    bench = Bench()
    seen: list[int] = []
    for _ in range(21):
        bench.poll(after_s=0.049)
        seen.append(bench.vision.heartbeat)
    assert seen[20] - seen[0] >= 10
    assert all(later > earlier for earlier, later in zip(seen, seen[2:], strict=False))
    bench.state = replace(READY, beating=False)
    standing = bench.vision.heartbeat
    for _ in range(20):
        bench.poll(after_s=0.049)
    assert bench.vision.heartbeat == standing


def test_the_plcs_heartbeat_is_lost_after_500_ms_and_the_fault_clears_itself() -> None:
    bench = Bench()
    bench.poll()
    bench.now += 0.49
    bench.write()
    assert Status.PLC_HEARTBEAT_LOST not in bench.vision.status
    bench.now += 0.02
    bench.write()
    assert Status.PLC_HEARTBEAT_LOST in bench.vision.status
    assert bench.vision.fault == FaultCode.PLC_LOST
    bench.poll()
    assert Status.PLC_HEARTBEAT_LOST not in bench.vision.status
    assert bench.vision.fault == FaultCode.NONE


def test_status_says_what_the_agent_says() -> None:
    bench = Bench()
    bench.state = replace(READY, busy=True, stop_line=True, degraded=True, shadow=True)
    bench.poll()
    assert bench.vision.status & ~(Status.COMPLETED | Status.RESULTS_VALID) == (
        Status.ONLINE
        | Status.TRIGGER_READY
        | Status.BUSY
        | Status.STOP_LINE_REQUEST
        | Status.DEGRADED
        | Status.SHADOW
    )
    assert (bench.vision.recipe_in_force, bench.vision.station, bench.vision.boot_id) == (1, 9, BOOT_ID)
    assert bench.vision.version == 1


def test_recipe_0_is_no_recipe_even_if_the_agent_lists_it() -> None:
    bench = Bench(recipes=frozenset({0, 1}))
    (settled,) = bench.poll(trig_id=101, recipe=0)
    assert isinstance(settled, Settled)
    assert settled.reason is Reason.OFFLINE
