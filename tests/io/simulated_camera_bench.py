"""A simulated camera with its wire and one slot, for the tests of what it exposes."""

from __future__ import annotations

import json
import os
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from inspectd.io.buttons import render_part
from inspectd.io.camera_settings import SimulatedCameraSettings
from inspectd.io.frame_ring import RingShape, RingWriter, create_memory
from inspectd.io.simulated_camera import SimulatedSource

if TYPE_CHECKING:
    from collections.abc import Generator

    import numpy as np
    from numpy.typing import NDArray

    from inspectd.io.camera import Grab

SIZE = 128
PATIENCE_S = 20.0


class Rig:
    """A simulated camera with its wire and one slot, in this process."""

    def __init__(self, **settings: Any) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        values: dict[str, Any] = {"size": SIZE, "defect_rate": 0.5, "wire_port": self.port, **settings}
        self.settings = SimulatedCameraSettings.model_validate(values)
        self.source = SimulatedSource(self.settings)
        shape = RingShape(slots=2, width=SIZE, height=SIZE)
        memory = create_memory(shape)
        self.slot = RingWriter(memory, shape, "cam").in_hand
        os.close(memory)
        self._wire = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    def close(self) -> None:
        self.source.close()
        self._wire.close()

    def send(self, message: object) -> None:
        self._wire.sendto(json.dumps(message).encode(), ("127.0.0.1", self.port))

    def grab(self) -> Grab:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            grab = self.source.grab(0.1, self.slot)
            if grab is not None:
                return grab
        raise AssertionError("no frame came")

    def nothing_comes(self) -> bool:
        return all(self.source.grab(0.05, self.slot) is None for _ in range(4))

    @property
    def pixels(self) -> NDArray[np.uint8]:
        return self.slot.pixels(SIZE, SIZE)

    def picture(self, part: int) -> NDArray[np.uint8]:
        settings = self.settings
        return render_part(settings.seed, part, settings.defect_rate, SIZE, marker=settings.marker)[0]


@contextmanager
def rig(**settings: Any) -> Generator[Rig]:
    made = Rig(**settings)
    assert made.source.open() == []
    try:
        yield made
    finally:
        made.close()
