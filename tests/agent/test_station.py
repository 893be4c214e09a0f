"""A whole station around a stand-in camera and scorer: started, stopped and watched over, without a PLC."""

import gc
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from stand_ins import EPOCH
from station_bench import Built, our_threads, wait_for

from inspectd.agent import station as station_module
from inspectd.agent.errors import AgentError, RecordError
from inspectd.inference.errors import BundleError, SelfTestError
from inspectd.io.encoder import EncoderPoll
from inspectd.io.plc import FaultCode, Reason
from inspectd.io.plc_events import Settled
from inspectd.io.plc_link import PlcLink

STOP_S = 2.0


@pytest.fixture(autouse=True)
def interpreter_as_before() -> Iterator[None]:
    """Undo what a station does to the whole interpreter."""
    interval, threads = sys.getswitchinterval(), cv2.getNumThreads()
    yield
    sys.setswitchinterval(interval)
    cv2.setNumThreads(threads)
    gc.unfreeze()


def test_station_without_a_plc_runs(tmp_path: Path) -> None:
    """A PLC that refuses is no reason not to start; the station is healthy, and ends in order."""
    built = Built(tmp_path, classes=2)
    built.station.start()
    assert our_threads() == {"inspection", "recorder", "plc-link"}
    assert built.station.healthy(time.monotonic())
    assert built.station.link.fault is FaultCode.PLC_LOST
    built.station.stop()
    assert our_threads() == set()
    assert [scorer.closed for scorer in built.scorers] == [True, True]


def test_station_stops_in_time(tmp_path: Path) -> None:
    """Two seconds are promised, with parts in flight and a PLC that refuses."""
    built = Built(tmp_path)
    built.station.start()
    built.trigger(1)
    began = time.monotonic()
    built.station.stop()
    assert time.monotonic() - began < STOP_S


def test_station_stops_in_time_while_everything_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Camera and link take all the time that they may, the engine never ends; the row is written.

    An engine in use is not closed under the thread that uses it.
    """
    built = Built(tmp_path)
    built.station.start()
    engine_may_end, engine_began = threading.Event(), threading.Event()

    def hang() -> None:
        engine_began.set()
        engine_may_end.wait(30.0)

    built.scorers[0].while_judging = hang
    built.trigger(1)
    built.expose()
    assert engine_began.wait(10.0)
    end_link = built.station.link.stop
    monkeypatch.setattr(built.station.link, "stop", lambda: time.sleep(1.0))
    monkeypatch.setattr(built.camera, "stop", lambda: time.sleep(1.0))
    began = time.monotonic()
    built.station.stop()
    took_s = time.monotonic() - began
    engine_may_end.set()
    end_link()
    assert took_s < STOP_S
    assert [(row["verdict"], row["reason"]) for row in built.rows()] == [("UNKNOWN", 41)]
    assert [scorer.closed for scorer in built.scorers] == [False]


def test_stopping_twice_is_as_stopping_once(tmp_path: Path) -> None:
    """Nothing is recorded or closed a second time in a way that fails."""
    built = Built(tmp_path)
    built.station.start()
    built.trigger(1)
    built.station.stop()
    built.station.stop()
    assert len(built.rows()) == 1


def test_parts_in_flight_at_the_end_are_recorded(tmp_path: Path) -> None:
    """Each part in flight gets its UNKNOWN/41 and its row before the process ends."""
    built = Built(tmp_path)
    built.station.start()
    for part_id in (1, 2, 3):
        built.trigger(part_id)
    built.station.stop()
    rows = {row["part"]: (row["verdict"], row["reason"], row["detail"]) for row in built.rows()}
    assert rows == dict.fromkeys((1, 2, 3), ("UNKNOWN", 41, "the agent is stopping"))


def test_part_triggered_while_stopping_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that comes after the last verdicts went out is not forgotten."""
    built = Built(tmp_path)
    built.station.start()
    end_link = built.station.link.stop

    def stop_after_a_trigger() -> None:
        built.trigger(9)
        end_link()

    monkeypatch.setattr(built.station.link, "stop", stop_after_a_trigger)
    built.station.stop()
    assert [(row["part"], row["reason"]) for row in built.rows()] == [(9, 41)]


def test_free_running_part_after_the_last_verdict_is_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row that would wait for its RESULT_SEQ is written without one: no link will ever tell it."""
    built = Built(tmp_path, mode="free_running")
    built.station.start()
    monkeypatch.setattr(built.station.link, "plc_now", lambda: (EPOCH, 1))

    def polled(_stamp: float) -> EncoderPoll:
        return EncoderPoll(0.0, 0.0, 0, EPOCH, 1)

    monkeypatch.setattr(built.station.link, "poll_before", polled)
    link_ended = threading.Event()
    end_link, end_camera = built.station.link.stop, built.camera.stop

    def end_link_first() -> None:
        end_link()
        link_ended.set()

    def expose_once_more() -> None:
        assert link_ended.wait(5.0)
        built.expose()
        end_camera()

    monkeypatch.setattr(built.station.link, "stop", end_link_first)
    monkeypatch.setattr(built.camera, "stop", expose_once_more)
    built.station.stop()
    assert [(row["verdict"], row["reason"], row["result_seq"]) for row in built.rows()] == [
        ("UNKNOWN", 41, None)
    ]


def test_start_is_given_up_when_asked_to_stop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM while the station waits for its camera ends that wait at once."""
    monkeypatch.setattr(station_module, "CAMERA_START_S", 60.0)
    built = Built(tmp_path)
    built.camera.alive = False
    stop = threading.Event()
    threading.Timer(0.1, stop.set).start()
    began = time.monotonic()
    built.station.start(stop)
    built.station.stop()
    assert time.monotonic() - began < station_module.CAMERA_START_S / 2
    assert our_threads() == set()


def test_station_starts_without_its_camera(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A lost camera is a fault that the PLC must see, and no reason to stay away."""
    monkeypatch.setattr(station_module, "CAMERA_START_S", 0.05)
    built = Built(tmp_path)
    built.camera.alive = False
    built.station.start()
    try:
        assert built.station.host.on_cycle(time.monotonic()).fault is FaultCode.CAMERA_LOST
    finally:
        built.station.stop()


def test_bundle_that_does_not_load_ends_the_start(tmp_path: Path) -> None:
    """The error comes through, and what was started already can be stopped."""
    built = Built(tmp_path, error=BundleError("no such bundle; install it"))
    with pytest.raises(BundleError, match="no such bundle"):
        built.station.start()
    built.station.stop()
    assert our_threads() == set()


def test_bundle_that_fails_its_self_test_is_told_to_the_plc(tmp_path: Path) -> None:
    """The station runs, with a fault and UNKNOWN/34: a PLC that sees no agent does not know why."""
    built = Built(tmp_path, classes=2, error=SelfTestError("golden.png scores 2, expected 1"))
    built.station.start()
    try:
        assert built.station.host.on_cycle(time.monotonic()).fault is FaultCode.SELF_TEST_FAILED
        built.trigger(1)
    finally:
        built.station.stop()
    assert [(row["verdict"], row["reason"]) for row in built.rows()] == [("UNKNOWN", 34)]


def test_every_class_is_loaded_before_the_plc_is_spoken_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Online means that a part of any configured recipe is judged."""
    built = Built(tmp_path, classes=3)
    loaded: list[int] = []
    begin = built.station.link.start
    monkeypatch.setattr(built.station.link, "start", lambda: (loaded.append(len(built.scorers)), begin())[-1])
    built.station.start()
    built.station.stop()
    assert loaded == [3]


def test_record_that_cannot_be_kept_is_told(tmp_path: Path) -> None:
    """A folder of the record that is a file: what, where, remedy."""
    (tmp_path / "record").write_text("not a folder")
    built = Built(tmp_path)
    with pytest.raises(RecordError, match=r"record .*: (Not a directory|File exists); make the folder"):
        built.station.start()
    built.station.stop()


def test_refused_start_ends_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another agent on this PLC's words: the station ends itself with the reason."""
    built = Built(tmp_path)
    monkeypatch.setattr(PlcLink, "refusal", "another agent beats here; stop it")
    with pytest.raises(AgentError, match="another agent beats here; stop it"):
        built.station.run(threading.Event())


def test_hung_engine_is_unhealthy_until_it_goes_on(tmp_path: Path) -> None:
    """A step of the inspection loop past its limit ends the watchdog, and no longer than it lasts."""
    built = Built(tmp_path)
    goes_on = threading.Event()
    built.station.start()
    try:
        built.scorers[0].while_judging = lambda: wait_for(goes_on.is_set)
        built.trigger(1)
        built.expose()
        wait_for(lambda: not built.station.healthy(time.monotonic()))
        assert built.scorers[0].judged == 1
        goes_on.set()
        wait_for(lambda: built.station.healthy(time.monotonic()))
    finally:
        goes_on.set()
        built.station.stop()


def test_hung_loops_are_unhealthy(tmp_path: Path) -> None:
    """Each of the three loops ends the watchdog: inspection step, PLC cycle, recorder batch."""
    built = Built(tmp_path)
    station = built.station
    assert not station.healthy(time.monotonic()), "the inspection thread does not run yet"
    station.start()
    try:
        station.link.stop()
        now = time.monotonic()
        station.host.last_cycle = station.recorder.beat_at = now
        assert station.healthy(now)
        station.host.last_cycle = now - 3.0
        assert not station.healthy(now), "PLC thread"
        station.host.last_cycle = now + 60.0
        assert not station.healthy(now + 60.0), "recorder thread"
    finally:
        station.stop()


@pytest.mark.parametrize("shadow", [False, True])
def test_shadow_station_never_asks_to_stop_the_line(shadow: object, tmp_path: Path) -> None:
    """In shadow mode nothing is accepted, and that is no reason to stop; else it is."""
    station = Built(tmp_path, line={"shadow": shadow, "stop_after": 2}).station
    settled = [Settled(part, part, EPOCH, 1, Reason.TRIGGER_LATE, True, 0.0) for part in (1, 2)]
    station.host.on_events(settled)
    assert station.host.on_cycle(time.monotonic()).stop_line is not shadow


def test_part_ids_go_on_after_a_restart(tmp_path: Path) -> None:
    """Part ids never repeat: the record says where to go on."""
    built = Built(tmp_path)
    built.station.start()
    built.trigger(41)
    built.station.stop()
    assert Built(tmp_path).station.host.recorded(EPOCH).last_part_id == 41
