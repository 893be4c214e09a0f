"""A scorer that reads the truth from the marker in the frame: every escape it lets show is the line's.

It takes the place of an engine in whole-system tests: a defective part scores 2, a good one 0.5, the
threshold is 1, the low limit 0.1, and the recheck band begins at 0.9.
"""

import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from inspectd.agent.config import ClassSettings
from inspectd.inference.engine import Judged
from inspectd.inference.errors import EngineError
from inspectd.inference.manifest import Limits
from inspectd.inference.runtime import RuntimeSettings
from inspectd.io.marker import read_marker

GOOD, DEFECTIVE = 0.5, 2.0
ORDERS = "orders.txt"
"""File beside the script: orders like the script's, given while the line runs."""


class OracleScorer:
    """Scores by the marker, unless a script orders otherwise: one line `part order` for each such part.

    An order is a score (`nan` too), `fail` (the engine raises) or `slow0.3` (it takes 0.3 s).
    """

    provisional = ""
    limits_key = "float32/oracle/float32"

    def __init__(self, script: Path | None, recipe: int = 1) -> None:
        self.class_name = self.bundle_id = self.decision_id = f"oracle {recipe}"
        self.limits = Limits(threshold=1.0, low_limit=0.1, recheck=0.1)
        self._previous = b""
        self._script = _read_script(script)
        self._orders = None if script is None else script.with_name(ORDERS)
        self._orders_changed_at = 0

    def judge(self, pixels: NDArray[np.uint8]) -> Judged:
        """Give the marked truth; a frame without a marker or the same as before is unfit."""
        unfit = self._unfit(pixels)
        marker = read_marker(pixels)
        if unfit or marker is None:
            return Judged(float("nan"), unfit or ("no marker",), None, None, None, 0.0, 0.0)
        score = DEFECTIVE if marker.defective else GOOD
        self._take_orders()
        order = self._script.get(marker.part, "")
        if order == "fail":
            raise EngineError(f"the script lets the engine fail at part {marker.part}")
        if order.startswith("slow"):
            time.sleep(float(order.removeprefix("slow")))
        elif order:
            score = float(order)
        return Judged(score, (), None, None, None, 0.0, 0.0)

    def close(self) -> None:
        """Nothing to free."""

    def _take_orders(self) -> None:
        """Read the orders again if there are new ones."""
        if self._orders is None or not self._orders.exists():
            return
        changed_at = self._orders.stat().st_mtime_ns
        if changed_at != self._orders_changed_at:
            self._orders_changed_at = changed_at
            self._script |= _read_script(self._orders)

    def _unfit(self, pixels: NDArray[np.uint8]) -> tuple[str, ...]:
        content = pixels.tobytes()
        repeated = content == self._previous
        self._previous = content
        return ("identical to the previous frame",) if repeated else ()


def load_oracle(entry: ClassSettings, _runtime: RuntimeSettings) -> OracleScorer:
    """Open the oracle in place of a bundle; the bundle's path names its script, if there is such a file."""
    return OracleScorer(entry.bundle if entry.bundle.is_file() else None, entry.recipe)


def _read_script(path: Path | None) -> dict[int, str]:
    if path is None:
        return {}
    lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    return {int(part): order for part, order in lines}
