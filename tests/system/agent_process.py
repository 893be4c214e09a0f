"""The agent with the oracle in place of an engine: `python -m tests.system.agent_process CONFIG`.

--without NAME     takes a clause out of the accept rule, for the mutation tests, or something else that the
                   agent does right, see `MUTATIONS`
--unstamped        the camera knows of a frame only when it arrived, as with a network stream
--rude             begins to write at once, whoever else does
--stop-judging N   stops the process while it judges its N-th frame, until SIGCONT
--stop-deciding N  stops the process right after the N-th time that the accept rule spoke
"""

import argparse
import itertools
import signal
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, ParamSpec, TypeVar

from inspectd.agent import ledger, line, station, verdict
from inspectd.agent.classes import Classes
from inspectd.agent.cli.output import fail
from inspectd.agent.cli.run import run_station
from inspectd.agent.errors import AgentError
from inspectd.agent.scorer import Scorer
from inspectd.agent.station import Parts
from inspectd.io import handshake, plc_session
from inspectd.io.camera import Camera, Frame
from inspectd.io.camera_process import CameraProcess
from inspectd.io.camera_settings import CameraSettings
from inspectd.io.encoder import EncoderPoll, EncoderTrack
from inspectd.io.handshake_board import Part, VerdictBoard
from inspectd.io.handshake_ids import IdTracker
from inspectd.io.handshake_level import LevelTrigger
from inspectd.io.handshake_start import StartWatch
from inspectd.io.plc_events import Discarded, NoPosition, Placed, Position, Result
from tests.system.oracle import OracleScorer, load_oracle

P = ParamSpec("P")
R = TypeVar("R")


class PatientLedger(ledger.Ledger):
    """A ledger without the deadline."""

    def settle(self, part_id: int, now: float) -> ledger.OpenPart | None:
        """Take a part out at any time."""
        del now
        return super().settle(part_id, float("-inf"))

    def expire(self, now: float) -> list[ledger.OpenPart]:
        """Let no part expire."""
        del now
        return []


class PatientBoard(VerdictBoard):
    """A board that takes a verdict at any time for what it was."""

    def place(self, result: Result, epoch: int, now: float) -> Placed | Discarded:
        """Place a verdict as if it had no deadline."""
        return super().place(replace(result, deadline=float("inf")), epoch, now)


class UnstampedCamera(CameraProcess):
    """A camera that knows of each frame only when it arrived."""

    def start(self, on_frame: Callable[[Frame], None]) -> None:
        """Hand over every frame without its stamp."""

        def on_arrival(frame: Frame) -> None:
            frame.exposed_at, frame.exposure_stamped = frame.received_at, False
            on_frame(frame)

        super().start(on_arrival)


class CarelessTrack(EncoderTrack):
    """An encoder track that always knows where the belt was."""

    def position_at(self, stamp: float, now: float) -> Position | NoPosition:
        """Give the last position polled where there is none for the stamp."""
        position = super().position_at(stamp, now)
        if isinstance(position, Position):
            return position
        last = self._polls[-1]
        return Position(last.encoder, last.epoch, last.recipe)


class LatestTrack(EncoderTrack):
    """An encoder track that takes a part for one of the recipe polled last, whenever it was exposed."""

    def poll_before(self, stamp: float) -> EncoderPoll | None:
        """Give the last poll."""
        del stamp
        return self._polls[-1] if self._polls else None


class StaleRecipes(IdTracker):
    """Ids with the recipe of the part before: RECIPE as it was polled before the trigger."""

    _before = 0

    def _next_part(self, trig_id: int) -> Part:
        part = super()._next_part(trig_id)
        stale, self._before = self._before or part.recipe, part.recipe
        return replace(part, recipe=stale)


class NewestClass(Classes):
    """Classes that remember which of them was asked for last."""

    newest: ClassVar[list[Scorer]] = []

    def get(self, recipe: int) -> Scorer | None:
        """Give the scorer in force, and remember it."""
        scorer = super().get(recipe)
        if scorer is not None:
            self.newest[:] = [scorer]
        return scorer


class HastyTrigger(LevelTrigger):
    """A level handshake that acknowledges a Trigger over the last part's result."""

    def _withdraw(self, *, for_good: bool) -> None:
        del for_good
        self._clearing = False


class RudeStart(StartWatch):
    """A start that does not listen for another agent."""

    def see(self, heartbeat: int, now: float) -> bool:
        """Begin at once."""
        del heartbeat, now
        return True


def open_unstamped(settings: CameraSettings) -> Camera:
    return UnstampedCamera(settings)


def judge_by_the_newest_part() -> None:
    """Have each frame judged by the class of the part that was triggered last."""

    def scorer_of(_part: ledger.OpenPart) -> Scorer:
        return NewestClass.newest[0]

    station.Classes = NewestClass
    line._scorer_of = scorer_of  # pyright: ignore[reportPrivateUsage]


MUTATIONS: dict[str, Callable[[], None]] = {
    "ledger_deadline": lambda: setattr(station, "Ledger", PatientLedger),
    "board_deadline": lambda: setattr(handshake, "VerdictBoard", PatientBoard),
    "no_position": lambda: setattr(handshake, "EncoderTrack", CarelessTrack),
    "class_of_trigger": judge_by_the_newest_part,
    "recipe_of_trigger": lambda: setattr(handshake, "IdTracker", StaleRecipes),
    "clearing": lambda: setattr(handshake, "LevelTrigger", HastyTrigger),
    "recipe_of_exposure": lambda: setattr(handshake, "EncoderTrack", LatestTrack),
}
"""What can be taken out of the agent beside the clauses of its accept rule."""


def remove_clauses(names: set[str]) -> None:
    """Take clauses out of the accept rule, and what else guards the same."""
    for name in names & MUTATIONS.keys():
        MUTATIONS[name]()
    clauses = {clause.__name__: clause for clause in verdict.CLAUSES}
    unknown = names - clauses.keys() - MUTATIONS.keys()
    if unknown:
        raise SystemExit(f"no such clause: {', '.join(sorted(unknown))}")
    verdict.CLAUSES = tuple(clause for name, clause in clauses.items() if name not in names)


def stopping(call: Callable[P, R], at_call: int | None) -> Callable[P, R]:
    """Give the function, made to stop the process once, at the end of its n-th call."""
    calls = itertools.count(1)

    def call_and_stop(*arguments: P.args, **named: P.kwargs) -> R:
        answer = call(*arguments, **named)
        if next(calls) == at_call:
            # Sent to this very thread, which then does not take another step.
            signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        return answer

    return call_and_stop


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("--without", action="append", default=[])
    parser.add_argument("--unstamped", action="store_true")
    parser.add_argument("--rude", action="store_true")
    parser.add_argument("--stop-judging", type=int)
    parser.add_argument("--stop-deciding", type=int)
    options = parser.parse_args()
    remove_clauses(set(options.without))
    OracleScorer.judge = stopping(OracleScorer.judge, options.stop_judging)
    line.decide = stopping(line.decide, options.stop_deciding)
    if options.rude:
        plc_session.StartWatch = RudeStart
    camera = open_unstamped if options.unstamped else CameraProcess
    try:
        run_station(options.config, "info", Parts(load_scorer=load_oracle, open_camera=camera))
    except AgentError as error:
        fail(str(error))


if __name__ == "__main__":
    main()
