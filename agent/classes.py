"""The scorer in force for each recipe, and those that were replaced while parts in flight still need them.

A part takes the scorer in force at its trigger and keeps it to its verdict. What a station runs can thus be
replaced between two parts: the next trigger takes the new scorer, the parts before it end with the old one.
"""

from __future__ import annotations

import threading

from inspectd.agent.ledger import Ledger
from inspectd.agent.scorer import Scorer


class Classes:
    """Scorers by recipe. Any thread may call, and none waits for more than another's assignment."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._in_force: dict[int, Scorer] = {}
        self._replaced: list[Scorer] = []
        self._unneeded: list[Scorer] = []
        self._refused: dict[int, str] = {}
        self._failed: dict[int, str] = {}
        self.opening = threading.Lock()
        """Held while a part is opened: from the look at the scorer in force until the ledger has the part."""
        self.concerns: tuple[str, ...] = ()
        """Why the station is Degraded, one text for each class and cause; empty: it is not."""

    def get(self, recipe: int) -> Scorer | None:
        """Give the scorer in force; None for a recipe without a class."""
        return self._in_force.get(recipe)

    def self_test_failure(self, recipe: int) -> str:
        """Say why a configured class has no scorer; empty: it has one, or the recipe names no class."""
        return self._failed.get(recipe, "")

    @property
    def failed(self) -> bool:
        """Whether a configured class is without a scorer because its self-test failed."""
        return bool(self._failed)

    def knows(self, recipe: int) -> bool:
        """Tell whether a recipe names a class of this station, judged or not."""
        return recipe in self._in_force or recipe in self._failed

    def put_in_force(self, recipe: int, scorer: Scorer) -> None:
        """Let every part that is opened from now on be judged by this scorer."""
        with self.opening:
            if recipe in self._in_force:
                self._replaced.append(self._in_force[recipe])
            self._in_force[recipe] = scorer
        self._failed.pop(recipe, None)
        self._refused.pop(recipe, None)
        self._tell()

    def fail(self, recipe: int, why: str) -> None:
        """Note that a class failed its self-test at the start: its parts are UNKNOWN/34 until one passes."""
        self._failed[recipe] = why

    def refuse(self, recipe: int, why: str) -> None:
        """Note that what is installed for a recipe could not be put in force; empty: it is in force."""
        self._refused[recipe] = why
        self._tell()

    def let_go(self) -> None:
        """Give up the replaced scorers that no open part holds; the inspection thread calls, between frames.

        Only that thread uses a scorer, and only for open parts: what is given up here is never used again.
        """
        if not self._replaced:
            return
        with self.opening:
            held = self._ledger.scorers()
            for scorer in [scorer for scorer in self._replaced if scorer not in held]:
                self._replaced.remove(scorer)
                self._unneeded.append(scorer)

    def close_unneeded(self) -> None:
        """Free what was given up; that may take a moment, and so is not done by the inspection thread."""
        while True:
            try:
                scorer = self._unneeded.pop()
            except IndexError:  # nothing left, or the other thread that calls at the end had it
                return
            scorer.close()

    def close_all(self) -> None:
        """Free everything. Only once the inspection thread has ended."""
        self.close_unneeded()
        for scorer in (*self._replaced, *self._in_force.values()):
            scorer.close()

    def _tell(self) -> None:
        refused = (why for why in self._refused.values() if why)
        provisional = (
            f"class {scorer.class_name}: the decision is provisional: {scorer.provisional}"
            for scorer in self._in_force.values()
            if scorer.provisional
        )
        self.concerns = (*refused, *provisional)
