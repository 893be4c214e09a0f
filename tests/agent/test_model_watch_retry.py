"""What a watch of models cannot do now, it does later, and the line goes on meanwhile."""

import threading
from pathlib import Path

import pytest
from agent_rig import Rig
from model_watch_bench import Bench
from stand_ins import HeardLog

from inspectd.agent import model_watch
from inspectd.agent.config import ClassSettings
from inspectd.agent.model_watch import ModelWatch
from inspectd.inference.errors import BundleError, EngineError, SelfTestError
from inspectd.io.plc import FaultCode
from inspectd.io.plc_events import FaultCleared


@pytest.fixture
def bench(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    log = HeardLog()
    monkeypatch.setattr(model_watch, "log", log)
    return Bench(rig, tmp_path / "models" / "class-1", log.told)


def test_what_was_refused_is_tried_again_after_a_while(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The graph of a folder that was being copied is there now; the log is not filled meanwhile."""
    bench.install("2")
    bench.error = BundleError("does not match")
    for _ in range(3):
        bench.watch.look()
    assert bench.rig.classes.concerns
    monkeypatch.setattr(model_watch, "RETRY_S", 0.0)
    bench.watch._retry_at[1] = 0.0  # pyright: ignore[reportPrivateUsage]
    told = len(bench.logged)
    for _ in range(6):
        bench.watch.look()
    assert len(bench.logged) == told
    bench.error = None
    for _ in range(3):
        bench.watch.look()
    assert not bench.rig.classes.concerns
    scorer = bench.rig.classes.get(1)
    assert scorer is not None
    assert scorer.bundle_id == "bundle 2"


def test_a_class_that_fails_its_self_test_at_the_start(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The station goes on without it, and with a fault; a bundle that passes ends its cause."""
    rig, entry = bench.rig, ClassSettings(recipe=2, bundle=bench.folder / "current")
    watch = ModelWatch([entry], bench.load, rig.classes)
    bench.error = SelfTestError("self-test of b: scores 2, expected 1")
    watch.load(entry)
    assert rig.classes.get(2) is None
    assert bench.logged[-1] == ("self_test_failed", "self-test of b: scores 2, expected 1")
    assert rig.host.on_cycle(rig.clock.now).fault is FaultCode.SELF_TEST_FAILED
    monkeypatch.setattr(model_watch, "RETRY_S", 0.0)
    watch._retry_at[2] = 0.0  # pyright: ignore[reportPrivateUsage]
    for _ in range(4):
        watch.look()
    assert rig.classes.get(2) is None
    assert rig.classes.self_test_failure(2)
    bench.error = None
    for _ in range(4):
        watch.look()
    assert rig.classes.get(2) is bench.opened[-1]
    rig.host.on_events([FaultCleared()])
    state = rig.host.on_cycle(rig.clock.now)
    assert (state.fault, state.degraded) == (FaultCode.NONE, False)


def test_a_class_that_cannot_be_opened_at_the_start_ends_it(bench: Bench) -> None:
    """Only what was opened and scores wrongly is left to the PLC; the rest is for whoever set it up."""
    bench.error = EngineError("no such device")
    with pytest.raises(EngineError, match="no such device"):
        bench.watch.load(bench.entry)


def test_a_watch_that_cannot_start_does_not_end_the_line(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread is to be had: that is logged, and tried again later."""

    def refuse(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", refuse)
    bench.watch.keep_running()
    assert not bench.watch.alive
