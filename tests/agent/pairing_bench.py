"""Parts, frames and a camera's status made by hand, for the tests of their pairing."""

from dataclasses import replace
from typing import Any

import numpy as np

from inspectd.agent.ledger import OpenPart
from inspectd.agent.pairing import Candidate, Pairing
from inspectd.agent.verdict import InForce
from inspectd.io.camera import CameraStatus, Frame

IN_FORCE = InForce(1, "button", "b", "d")


def part(part_id: int, start: float, end: float) -> OpenPart:
    """Give a part whose window runs from `start` to `end` (monotonic)."""
    return OpenPart(part_id, part_id, 1, IN_FORCE, start, start, end, end + 10)


def frame(
    exposed_at: float,
    released: list[float] | None = None,
    unseen: tuple[float, float] | None = None,
) -> Frame:
    """Give a frame that notes in `released` when its memory is given back."""
    log = [] if released is None else released
    return Frame(
        camera="top",
        number=0,
        exposed_at=exposed_at,
        exposure_stamped=True,
        received_at=exposed_at,
        pixels=np.zeros((1, 1, 3), np.uint8),
        unseen=unseen,
        give_back=lambda: log.append(exposed_at),
    )


def take_due(pairing: Pairing, now: float) -> list[Candidate]:
    """Conclude every part whose window is closed, as the line does."""
    due = pairing.due(now)
    for candidate in due:
        pairing.take(candidate)
    return due


def status(**said: Any) -> CameraStatus:
    """Give the status of a camera that is open and has said nothing yet, but for what is given."""
    return replace(CameraStatus(True, 0.0, 0, 0, 0, "", None), **said)
