"""Another version is installed while the agent runs: it takes it over, or keeps what it has and says why."""

import os
import threading
import time
from pathlib import Path

import pytest
from agent_rig import ACCEPT, Rig, wait_for
from model_watch_bench import Bench
from stand_ins import GOOD, HeardLog

from inspectd.agent import model_watch
from inspectd.agent.config import ClassSettings
from inspectd.agent.model_watch import ModelWatch
from inspectd.inference.bundle import MANIFEST
from inspectd.inference.errors import BundleError, EngineError


@pytest.fixture
def bench(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    log = HeardLog()
    monkeypatch.setattr(model_watch, "log", log)
    return Bench(rig, tmp_path / "models" / "class-1", log.told)


def test_nothing_new_opens_nothing(bench: Bench) -> None:
    bench.look(5)
    assert len(bench.opened) == 1
    assert bench.in_force == ("bundle 1", "decision 1")


def test_an_installed_version_is_taken_over_between_two_parts(bench: Bench) -> None:
    """The part in flight ends with the old version, the next one has the new; no part is UNKNOWN for it."""
    flying = bench.rig.trigger()
    bench.install("2")
    bench.look()
    assert bench.in_force == ("bundle 2", "decision 1")
    bench.rig.expose(GOOD)
    bench.rig.close_windows()
    assert bench.rig.rows_of(flying.part_id)[0]["bundle"] == "bundle 1"
    assert bench.judge() == "bundle 2"
    assert bench.rig.verdicts() == [ACCEPT, ACCEPT]
    assert not bench.degraded
    assert ("class_replaced", "") in bench.logged
    bench.look()
    assert [scorer.closed for scorer in bench.opened] == [True, False]


def test_an_adjusted_decision_is_taken_over(bench: Bench) -> None:
    """It is written into the version in force, so that no link changes."""
    bench.adjust("decision 2")
    bench.look()
    assert bench.in_force == ("bundle 1", "decision 2")


def test_a_folder_that_is_no_link_is_watched_too(bench: Bench) -> None:
    """A station may name a bundle's own folder, and its decision may be adjusted there."""
    entry = ClassSettings(recipe=1, bundle=bench.folder / "1")
    watch = ModelWatch([entry], bench.load, bench.rig.classes)
    watch.load(entry)
    bench.adjust("decision 2")
    watch.look()
    watch.look()
    assert bench.in_force == ("bundle 1", "decision 2")


def test_a_rollback_is_taken_over(bench: Bench) -> None:
    bench.install("2")
    bench.look()
    bench.switch("1")
    bench.look()
    assert bench.in_force == ("bundle 1", "decision 1")


def test_what_changes_while_the_station_starts_is_seen(bench: Bench) -> None:
    """The version is noted before it is opened: a switch meanwhile is another version, not this one."""
    watch = ModelWatch([bench.entry], bench.load, bench.rig.classes)

    def switch_meanwhile() -> None:
        bench.while_opening = lambda: None
        bench.adjust("decision 2")
        bench.error = None

    bench.while_opening = switch_meanwhile
    watch.load(bench.entry)
    watch.look()
    watch.look()
    assert bench.in_force == ("bundle 1", "decision 2")
    assert len(bench.opened) == 3


def test_a_folder_in_the_making_is_left_alone(bench: Bench) -> None:
    """Only what stands there unchanged from one look to the next is opened."""
    for decision in ("2", "3", "4"):
        bench.adjust(f"decision {decision}")
        bench.look(1)
    assert len(bench.opened) == 1
    bench.look(1)
    assert bench.in_force == ("bundle 1", "decision 4")


@pytest.mark.parametrize(
    "error",
    [BundleError("float32.onnx does not match"), EngineError("self-test: scores 3"), MemoryError("no more")],
    ids=lambda error: type(error).__name__,
)
def test_a_broken_version_changes_nothing(error: Exception, bench: Bench) -> None:
    """The old one stays in force, the log says why once, the station is Degraded until that ends."""
    bench.install("2")
    bench.error = error
    bench.look(6)
    assert bench.judge() == "bundle 1"
    assert bench.rig.verdicts() == [ACCEPT]
    assert bench.degraded
    refused = [why for event, why in bench.logged if event == "model_refused"]
    assert len(refused) == 1
    assert str(error) in refused[0]
    bench.install("3")
    bench.look(4)
    assert len([1 for event, _ in bench.logged if event == "model_refused"]) == 2, "once for each version"
    bench.error = None
    bench.switch("1")
    bench.look()
    assert bench.in_force == ("bundle 1", "decision 1")
    assert not bench.degraded, "what runs is what is installed"
    assert [scorer.closed for scorer in bench.opened] == [False, True], "what was in force stays"


def test_a_version_installed_again_is_tried_again(bench: Bench) -> None:
    """The link is new though it leads to the same version, whose graph was mended."""
    bench.install("2")
    bench.error = BundleError("broken")
    bench.look()
    bench.error = None
    bench.switch("2")
    bench.look()
    assert bench.in_force == ("bundle 2", "decision 1")
    assert not bench.degraded


def test_another_class_is_refused(bench: Bench) -> None:
    """The PLC's recipe says what is before the camera: no install may put another product in its place."""
    bench.install("2")
    bench.class_name = "screw"
    bench.look()
    assert bench.in_force == ("bundle 1", "decision 1")
    assert bench.degraded
    (why,) = [why for event, why in bench.logged if event == "model_refused"]
    assert "a bundle of class 'screw', recipe 1 is 'class 1'. Install one of that class" in why
    assert [scorer.closed for scorer in bench.opened] == [False, True]


def test_a_folder_that_is_gone_is_told(bench: Bench) -> None:
    """The line goes on, though the station could not start again."""
    bench.error = BundleError("no such bundle folder")
    (bench.folder / "current").unlink()
    bench.look()
    assert bench.degraded
    assert bench.judge() == "bundle 1"


def test_a_provisional_decision_that_is_completed(bench: Bench) -> None:
    bench.provisional = "80 parts support no rate under 3.7 %"
    bench.install("2")
    bench.look()
    assert bench.degraded
    bench.provisional = ""
    bench.adjust("decision 2")
    bench.look()
    assert not bench.degraded


def test_a_line_that_is_stopping_takes_nothing_over(bench: Bench) -> None:
    """What was being opened is closed again."""
    bench.install("2")
    bench.while_opening = bench.watch.stop
    bench.look()
    assert bench.in_force == ("bundle 1", "decision 1")
    assert [scorer.closed for scorer in bench.opened] == [False, True]


def test_one_class_that_fails_keeps_no_other_from_its_version(
    rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where looking at it fails in a way that nobody foresaw."""
    bench = Bench(rig, tmp_path / "models" / "class-1", [])
    bad = ClassSettings(recipe=2, bundle=tmp_path / "other")
    watch = ModelWatch([bad, bench.entry], bench.load, rig.classes)
    watch.load(bench.entry)
    identity = model_watch._identity  # pyright: ignore[reportPrivateUsage]

    def fail_on_other(folder: Path) -> tuple[object, ...]:
        if folder == bad.bundle:
            raise RuntimeError("unforeseen")
        return identity(folder)

    monkeypatch.setattr(model_watch, "_identity", fail_on_other)
    bench.install("2")
    watch.look()
    watch.look()
    assert bench.in_force == ("bundle 2", "decision 1")


def test_the_thread_looks_by_itself_and_is_started_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It polls; should it ever die, the next call has it run again; after `stop` it stays ended."""
    monkeypatch.setattr(model_watch, "POLL_S", 0.005)
    died = threading.Semaphore(0)
    monkeypatch.setattr(bench.watch, "_run", died.release)
    for _ in range(2):
        bench.watch.keep_running()
        assert died.acquire(timeout=20.0)
        wait_for(lambda: "model-watch" not in {thread.name for thread in threading.enumerate()})
    monkeypatch.undo()
    monkeypatch.setattr(model_watch, "POLL_S", 0.005)
    bench.watch.keep_running()
    bench.install("2")
    wait_for(lambda: bench.in_force[0] == "bundle 2")
    bench.watch.stop()
    wait_for(lambda: "model-watch" not in {thread.name for thread in threading.enumerate()})
    bench.watch.keep_running()
    assert "model-watch" not in {thread.name for thread in threading.enumerate()}


def test_only_a_change_changes_the_identity(bench: Bench) -> None:
    """Reading a bundle, or the passing of time, opens nothing."""
    (bench.folder / "current" / MANIFEST).read_bytes()
    os.utime(bench.folder / "current" / "..", (time.time(), time.time()))
    bench.look(3)
    assert len(bench.opened) == 1
