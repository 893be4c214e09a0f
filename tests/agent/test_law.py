"""The one law, on random courses of events: one verdict for each part, and no failure becomes ACCEPT."""

import contextlib
import random
from collections import Counter
from dataclasses import dataclass

import pytest
from agent_rig import DEADLINE, TRANSFER, WINDOW, Rig, make_rig
from hypothesis import given, settings
from hypothesis import strategies as st
from stand_ins import DEFECTIVE, EPOCH, GOOD

from inspectd.inference.errors import EngineError
from inspectd.io.plc import Verdict
from inspectd.io.plc_events import EpochChanged, FaultCleared

NEXT_PART = WINDOW + 0.01
MISHAPS = (
    "none",
    "none",
    "no frame",
    "two frames",
    "second frame while scored",
    "no stamp",
    "unreadable",
    "frame of long ago",
    "engine error",
    "crash",
    "engine past the deadline",
    "slow engine",
    "restart while scored",
    "restart before the frame",
    "camera lost",
    "camera dies after a stray exposure",
    "camera restarts after a stray exposure",
    "camera held up after a stray exposure",
    "own frame lost, stray exposure",
    "no slot for its own frame, stray exposure",
)


@dataclass
class Inspected:
    """One part of a course: what goes wrong with it, and what its own frame shows."""

    mishap: str
    score: float
    part_id: int = 0
    window_end: float = 0.0


class Course:
    """One course of events on a rig; it knows which parts may be accepted at all."""

    def __init__(self, rig: Rig, seed: int) -> None:
        self.rig = rig
        self.random = random.Random(seed)
        self.parts: list[Inspected] = []
        self.may_be_accepted: set[int] = set()
        rig.scorer.while_judging = self.while_judging

    def inspect(self, mishap: str) -> None:
        """Let one part come, with this mishap."""
        rig = self.rig
        rig.host.on_events([FaultCleared()])
        self.mend_camera()
        if mishap == "camera lost":
            rig.camera.die()
        part = Inspected(mishap, self.random.choice([GOOD, DEFECTIVE]))
        self.parts.append(part)
        steps = [self.trigger, self.expose]
        self.random.shuffle(steps)
        for step in steps:
            step(part)
            rig.clock.advance(self.random.uniform(0, 0.005))
            self.work(self.random.randrange(2))
        if mishap in {"none", "slow engine"} and part.score == GOOD:
            self.may_be_accepted.add(part.part_id)
        rig.clock.advance(NEXT_PART)
        self.work(self.random.randrange(3))
        rig.host.on_cycle(rig.clock.now)

    def mend_camera(self) -> None:
        """Have the camera as it should be; what was held up is handed over before it says anything else."""
        camera = self.rig.camera
        if camera.held_up_since is not None:
            self.rig.expose(GOOD, ago=self.rig.clock.now - camera.held_up_since, mark=len(self.parts))
            camera.held_up_since = None
        if not camera.alive:
            camera.restart()
            self.rig.clock.advance(NEXT_PART)

    def trigger(self, part: Inspected) -> None:
        event = self.rig.trigger(seen_after=0.02)
        part.part_id, part.window_end = event.part_id, event.window_start + WINDOW

    def expose(self, part: Inspected) -> None:
        mishap = part.mishap
        if mishap in {"no frame", "camera lost"}:
            return
        if mishap.endswith("stray exposure"):
            self.expose_stray(mishap)
            return
        if mishap == "restart before the frame":
            self.restart()
        self.rig.expose(
            part.score,
            ago=50.0 if mishap == "frame of long ago" else 0.0,
            stamped=mishap != "no stamp",
            problem="not an image" if mishap == "unreadable" else "",
            mark=len(self.parts),
        )
        if mishap == "two frames":
            self.rig.expose(part.score)

    def expose_stray(self, mishap: str) -> None:
        """Let the camera give a good picture in place of the part's own, which gets lost or is late."""
        rig, mark = self.rig, len(self.parts)
        if mishap.startswith("no slot"):
            rig.expose(problem="no free slot", mark=mark)
        lost = mishap.startswith("own frame lost")
        rig.expose(GOOD, mark=mark, unseen_since=rig.clock.now - NEXT_PART if lost else None)
        if "dies" in mishap:
            rig.camera.die()
        elif "restarts" in mishap:
            rig.camera.restart()
        elif "held up" in mishap:
            rig.camera.hold_up()

    def restart(self) -> None:
        self.rig.host.on_events([EpochChanged(EPOCH, EPOCH + 1, self.rig.clock.now + 0.001)])

    def while_judging(self) -> None:
        rig = self.rig
        part = self.parts[rig.scorer.mark - 1]
        if part.mishap == "second frame while scored":
            self.expose_again(part)
        elif part.mishap == "engine error":
            raise EngineError("no result")
        elif part.mishap == "crash":
            raise RuntimeError("bug")
        elif part.mishap == "engine past the deadline":
            rig.clock.advance(2 * DEADLINE)
        elif part.mishap == "slow engine":
            rig.clock.advance(WINDOW)
        elif part.mishap == "restart while scored":
            self.restart()

    def expose_again(self, part: Inspected) -> None:
        """Hand over a second frame of the part; one that comes after all time for it does not count."""
        late = self.rig.clock.now - part.window_end
        if late < TRANSFER:
            self.rig.expose(GOOD, ago=max(0.0, late))
        elif part.score == GOOD:
            self.may_be_accepted.add(part.part_id)

    def work(self, turns: int) -> None:
        for _ in range(turns):
            with contextlib.suppress(RuntimeError):  # what the loop itself would catch
                self.rig.turn()

    def end(self) -> None:
        """Let every window close and every deadline pass."""
        self.mend_camera()
        for _ in range(len(self.parts) + 3):
            self.rig.clock.advance(WINDOW + TRANSFER)
            self.work(2)
            self.rig.host.on_cycle(self.rig.clock.now)
        self.rig.host.on_cycle(self.rig.clock.advance(DEADLINE + 1))
        self.work(2)
        self.rig.clock.advance(10.0)
        self.work(1)


@settings(deadline=None, max_examples=150)
@given(mishaps=st.lists(st.sampled_from(MISHAPS), min_size=1, max_size=25), seed=st.integers(0, 2**32))
def test_every_part_gets_one_verdict_and_no_failure_becomes_accept(mishaps: list[str], seed: int) -> None:
    """Whatever goes wrong, in whatever order: one verdict and one row a part, each frame given back."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        course = Course(make_rig(monkeypatch), seed)
        for mishap in mishaps:
            course.inspect(mishap)
        course.end()
        rig = course.rig
    assert Counter(result.part_id for result in rig.published) == Counter(
        part.part_id for part in course.parts
    )
    assert Counter(row["part"] for row in rig.recorder.rows) == Counter(part.part_id for part in course.parts)
    accepted = {result.part_id for result in rig.published if result.verdict is Verdict.ACCEPT}
    assert accepted <= course.may_be_accepted
    assert rig.held == set()


def test_good_parts_without_a_mishap_are_accepted() -> None:
    """The course of events itself stands in nobody's way: it would accept nothing otherwise."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        course = Course(make_rig(monkeypatch), seed=3)
        for _ in range(20):
            course.inspect("none")
        course.end()
        rig = course.rig
    accepted = {result.part_id for result in rig.published if result.verdict is Verdict.ACCEPT}
    assert accepted == course.may_be_accepted
    assert len(accepted) > 3
