"""What the line asks of whatever scores a frame; `inspectd.inference.engine.Engine` answers it."""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inspectd.inference.engine import Judged
from inspectd.inference.manifest import Limits


class Scorer(Protocol):
    """Scores frames of one product class through one camera. Once in force, the inspection thread's alone."""

    @property
    def class_name(self) -> str:
        """Name of the product class."""
        ...

    @property
    def bundle_id(self) -> str:
        """Id of the bundle in force."""
        ...

    @property
    def decision_id(self) -> str:
        """Id of the decision in force."""
        ...

    @property
    def provisional(self) -> str:
        """What the decision in force still lacks; empty: it is complete."""
        ...

    @property
    def limits_key(self) -> str:
        """Graph, runtime and precision that the scores come from, e.g. float32/openvino/float32."""
        ...

    @property
    def limits(self) -> Limits:
        """Limits on the score for the runtime and precision in use."""
        ...

    def judge(self, pixels: NDArray[np.uint8]) -> Judged:
        """Score a frame [H, W, 3] RGB; raises EngineError if inference fails or gives no finite score."""
        ...

    def close(self) -> None:
        """Free what the scorer holds."""
        ...
