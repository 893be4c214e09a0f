"""What can be found out about a PLC and its wiring by reading alone, step by step.

`inspectd check --hardware` and `inspectd plc test` use the same steps. Nothing is written here.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from inspectd.io.errors import PlcError
from inspectd.io.plc import READ_COUNT, READ_START, VISION_START, WORDS, WRITE_COUNT, WRITE_START
from inspectd.io.plc_finding import Listening, Outcome, Sample, failed, passed, percentile, warned
from inspectd.io.plc_layout import LOOK_AROUND, VERSION_STEP, Base, Window, base_of, check_version, find_image
from inspectd.io.plc_polls import polls_of
from inspectd.io.plc_served import await_client, check_client_timing
from inspectd.io.plc_trouble import Trouble
from inspectd.io.plc_wiring import (
    check_control,
    check_epoch,
    check_heartbeat,
    check_recipe,
    check_texts,
    check_twice,
    check_word_order,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from inspectd.io.plc_finding import Finding
    from inspectd.io.plc_settings import AnyPlcSettings
    from inspectd.io.plc_transport import PlcTransport

LISTEN_S = 1.2  # ten beats of the PLC, and twice what tells another agent
REACH_STEP = "connection"
BLOCK_STEP = "words 0 to 131"
ANSWERS_STEP = "answers"
TIMING_STEP = "round trip"
_SEARCH_S = 0.4
_GONE = {Trouble.NO_ADDRESS, Trouble.NO_BLOCK, Trouble.NOT_WRITABLE, Trouble.OTHER}
_POSITION_MS = 25.0  # contract: free-running, start of one poll to end of the next, beside the cycle


class Diagnosis:
    """The steps over one transport. `recipes`: those that the station has a class for."""

    def __init__(
        self,
        settings: AnyPlcSettings,
        transport: PlcTransport,
        recipes: Collection[int],
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._transport = transport
        self._polls = polls_of(transport, clock)
        self._recipes = recipes
        self._clock = clock
        self._sleep = sleep
        self.heard = Listening()
        self.findings: list[Finding] = []

    @property
    def failed(self) -> bool:
        """Whether any step failed so far."""
        return any(finding.outcome is Outcome.FAILED for finding in self.findings)

    @property
    def located(self) -> bool:
        """Whether words 0 to 131 were found in their place, so that what is written goes where it should."""
        return any(
            finding.step == VERSION_STEP and finding.outcome is Outcome.PASSED for finding in self.findings
        )

    @property
    def agent_beats(self) -> bool:
        """Whether an agent's HEARTBEAT (word 32) moved while it was listened to."""
        return bool(self.heard.samples and self.heard.changes(VISION_START))

    def run(self) -> Iterator[Finding]:
        """Give each step's finding as it comes; the steps end where the next ones could not be trusted."""
        for finding in self._steps():
            self.findings.append(finding)
            yield finding

    def listen(self, seconds: float) -> Listening:
        """Poll words 0 to 51 every cycle for a while. After a failed poll the connection is made anew."""
        heard = Listening()
        until = self._clock() + seconds
        while (started := self._clock()) < until:
            try:
                heard.samples += [Sample.of(poll) for poll in self._polls.take()]
            except PlcError as error:
                heard.errors.append(str(error))
                self._transport.connect()
            self._sleep(max(0.0, started + self._settings.cycle_ms / 1000 - self._clock()))
        return heard

    # --- the steps -------------------------------------------------------------------------------------

    def _steps(self) -> Iterator[Finding]:
        for step in (self._reach, self._find_block, self._hear):
            yield (finding := step())
            if finding.outcome is Outcome.FAILED:
                return
        yield self._check_timing()
        yield (version := self._check_version())
        if version.outcome is Outcome.FAILED:
            return
        last = self.heard.samples[-1]
        yield check_heartbeat(self.heard)
        yield check_epoch(self.heard)
        yield check_twice(self.heard)
        yield check_control(last)
        yield check_recipe(last, self._recipes)
        yield check_texts(last)
        yield check_word_order(self.heard.samples)

    def _reach(self) -> Finding:
        began = self._clock()
        try:
            self._transport.connect()
        except PlcError as error:
            return explain(REACH_STEP, error)
        if self._polls.own_memory:
            return await_client(self._settings, self._polls, self._clock, self._sleep)
        took_ms = 1000 * (self._clock() - began)
        return passed(REACH_STEP, f"{self._settings.place} answers after {took_ms:.1f} ms")

    def _find_block(self) -> Finding:
        if self._polls.own_memory:
            return passed(BLOCK_STEP, "in this PC's own memory")
        try:
            self._transport.read(READ_START, READ_COUNT)
            self._transport.read(WRITE_START, WRITE_COUNT)
        except PlcError as error:
            if error.told is None or error.told.trouble not in _GONE:
                return explain(BLOCK_STEP, error)
            return self._measure_block(error)
        return passed(
            BLOCK_STEP, f"readable from {base_of(self._settings).key} {base_of(self._settings).value} on"
        )

    def _measure_block(self, error: PlcError) -> Finding:
        """Find out how many words there are from word 0 on, and whether the image begins elsewhere."""
        there = count_words(WORDS, self._can_read)
        if there >= READ_COUNT:
            base = base_of(self._settings)
            window = self._look_around(base)
            if window is not None and (found := find_image(window)) is not None and found.shift:
                return check_version(0, window, base)
        told = explain(BLOCK_STEP, error)
        if there == 0:
            return failed(BLOCK_STEP, f"not even word 0 can be read: {told.text}", told.remedy)
        text = (
            f"only words 0 to {there - 1} can be read"
            if there < WORDS
            else "all words can be read one by one"
        )
        return failed(BLOCK_STEP, f"{text}: {told.text}", told.remedy)

    def _can_read(self, word: int) -> bool:
        try:
            self._transport.connect()
            self._transport.read(word, 1)
        except PlcError:
            return False
        return True

    def _hear(self) -> Finding:
        try:
            self.heard = self.listen(LISTEN_S)
        except PlcError as error:
            return explain(ANSWERS_STEP, error)
        lost, polls = len(self.heard.errors), len(self.heard.samples) + len(self.heard.errors)
        if not lost:
            return passed(ANSWERS_STEP, f"all {polls} polls in {LISTEN_S:g} s were answered")
        text = f"{lost} of {polls} polls failed, the first with: {self.heard.errors[0]}"
        remedy = "check the cable and the load of PLC and network"
        if self.heard.samples:
            return warned(ANSWERS_STEP, text, remedy)
        return failed(ANSWERS_STEP, text, remedy)

    def _check_timing(self) -> Finding:
        settings = self._settings
        if self._polls.own_memory:
            return check_client_timing(settings, self.heard)
        trips = [1000 * (sample.ended - sample.started) for sample in self.heard.samples]
        p50, p99 = percentile(trips, 50), percentile(trips, 99)
        text = f"a read takes p50 {p50:.1f} ms, p99 {p99:.1f} ms"
        if settings.mode == "free_running" and p99 > _POSITION_MS:
            return failed(
                TIMING_STEP, f"{text}: positions are trusted up to {_POSITION_MS:g} ms", "take a faster link"
            )
        age = settings.cycle_ms + p99
        if settings.mode == "plc_triggered" and age > settings.max_trigger_age_ms:
            text = f"{text}: with the cycle, triggers are up to {age:.1f} ms old when they are seen"
            limit = f"plc.max_trigger_age_ms ({settings.max_trigger_age_ms:g})"
            return failed(
                TIMING_STEP, f"{text}, over {limit}", "take a faster link, or raise it if parts allow"
            )
        if p99 > settings.cycle_ms:
            text = f"{text}: longer than plc.cycle_ms ({settings.cycle_ms:g})"
            return warned(TIMING_STEP, text, "raise plc.cycle_ms, or lighten the load of PLC and network")
        return passed(TIMING_STEP, text)

    def _check_version(self) -> Finding:
        base = base_of(self._settings)
        version = self.heard.values(7)[-1]
        window = None if version == 1 else self._look_around(base)
        return check_version(version, window, base)

    def _look_around(self, base: Base) -> Window | None:
        """Poll the words before the configured place too, as many as there are."""
        if self._polls.own_memory:
            return Window([sample.words for sample in self.heard.samples], 0)
        before = count_words(min(LOOK_AROUND, base.value // base.per_word), lambda n: self._can_read(-n - 1))
        polls: list[list[int]] = []
        until = self._clock() + _SEARCH_S
        try:
            self._transport.connect()
            while self._clock() < until:
                polls.append(self._transport.read(-before, before + READ_COUNT))
                self._sleep(self._settings.cycle_ms / 1000)
        except PlcError:
            pass  # what was read until then is enough, or nothing is
        return Window(polls, before) if polls else None


def count_words(most: int, is_there: Callable[[int], bool]) -> int:
    """How many of the words 0, 1, ... are there, if all that are come before all that are not."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if is_there(middle):
            low = middle + 1
        else:
            high = middle
    return low


def explain(step: str, error: PlcError) -> Finding:
    """Make a finding of an error of the link: its text without the remedy, and the remedy."""
    if error.told is None:
        return failed(step, str(error), "")
    return failed(step, str(error).removesuffix(f"; {error.told.remedy}"), error.told.remedy)
