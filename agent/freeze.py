"""A frozen camera shows the picture before once more, with a fresh stamp: it must not serve another part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from inspectd.io.camera import Frame

FROZEN = "frozen: the same picture as the frame before"
# Sensor noise changes every row of a real picture, so that some rows tell, in a fraction of a millisecond.
ROW_STEP = 16


class FreezeWatch:
    """Compares each frame of one camera with the one before, whether a part was judged by that or not."""

    def __init__(self) -> None:
        self._previous: NDArray[np.uint8] | None = None

    def check(self, frame: Frame) -> None:
        """Make it a frame's problem if it shows the same picture as the one before."""
        if self.repeats(frame.pixels):
            frame.problem = FROZEN

    def repeats(self, pixels: NDArray[np.uint8]) -> bool:
        """Tell whether a frame, uint8 [H, W, 3], equals the one before; one without pixels does not count."""
        if pixels.size == 0:
            return False
        rows = np.array(pixels[::ROW_STEP], np.uint8)
        repeated = self._previous is not None and np.array_equal(rows, self._previous)
        self._previous = rows
        return repeated
