"""A models folder with a class in it, the rig's line that inspects it, and the watch of both."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from agent_rig import Rig
from stand_ins import GOOD, StandInScorer

from inspectd.agent.config import ClassSettings
from inspectd.agent.model_watch import ModelWatch
from inspectd.inference.bundle import DECISION, MANIFEST


@dataclass
class Bench:
    """A models folder with a class in it, the rig's line that inspects it, and its watch."""

    rig: Rig
    folder: Path
    logged: list[tuple[str, str]]
    error: Exception | None = None
    class_name: str = "class 1"
    provisional: str = ""
    opened: list[StandInScorer] = field(default_factory=list[StandInScorer])
    while_opening: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.install("1")
        self.entry = ClassSettings(recipe=1, bundle=self.folder / "current")
        self.watch = ModelWatch([self.entry], self.load, self.rig.classes)
        self.watch.load(self.entry)

    def load(self, entry: ClassSettings) -> StandInScorer:
        """Open what stands there; its texts name bundle and decision."""
        self.while_opening()
        if self.error:
            raise self.error
        scorer = StandInScorer(self.class_name)
        scorer.bundle_id = (entry.bundle / MANIFEST).read_text()
        scorer.decision_id = (entry.bundle / DECISION).read_text()
        scorer.provisional = self.provisional
        self.opened.append(scorer)
        return scorer

    def install(self, version: str) -> None:
        """Put a version beside the others and switch to it."""
        target = self.folder / version
        target.mkdir(parents=True, exist_ok=True)
        (target / MANIFEST).write_text(f"bundle {version}")
        (target / DECISION).write_text("decision 1")
        self.switch(version)

    def switch(self, version: str) -> None:
        """Point the link at another version, by rename."""
        new = self.folder / ".new"
        new.symlink_to(version)
        new.rename(self.folder / "current")

    def adjust(self, decision: str) -> None:
        """Write another decision into the version in force, by rename."""
        new = self.folder / "current" / "new"
        new.write_text(decision)
        new.rename(self.folder / "current" / DECISION)

    def look(self, times: int = 2) -> None:
        for _ in range(times):
            self.watch.look()

    @property
    def in_force(self) -> tuple[str, str]:
        scorer = self.rig.classes.get(1)
        assert scorer is not None
        return scorer.bundle_id, scorer.decision_id

    @property
    def degraded(self) -> bool:
        return self.rig.host.on_cycle(self.rig.clock.now).degraded

    def judge(self) -> str:
        """Send one good part through the line; gives the bundle of its row."""
        self.rig.clock.advance(0.2)
        part = self.rig.trigger(seen_after=0.0)
        self.rig.expose(GOOD)
        self.rig.close_windows()
        (row,) = self.rig.rows_of(part.part_id)
        return str(row["bundle"])
