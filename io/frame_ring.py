"""The shared memory through which frames pass from a camera's process to the agent.

One memfd of equally large slots. The parent makes it, the child inherits its file descriptor; the child maps
it for writing, the parent for reading. Who may touch a slot is said by messages alone: a slot belongs to the
child until it is handed out, and to the parent until it is returned. (The system calls that carry the
messages order the memory accesses too, on every processor.)

Overflow rule: the child always keeps one slot to write into. When all others are in the agent's hands, the
newest frame is lost, and counted. The older ones cannot be taken back, since someone may be reading them, and
they are nearer their deadline; the lost one is told without its image, and its part is never accepted.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from inspectd.io.errors import CameraError

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHANNELS = 3


@dataclass(frozen=True, slots=True)
class RingShape:
    """How the shared memory is laid out: the same on both sides."""

    slots: int
    """Frames that the parent may hold at once; the memory has one slot more, which stays with the child."""
    width: int
    height: int
    """The largest image, px. An image of another shape fits too if it has no more pixels."""

    @property
    def slot_bytes(self) -> int:
        """Size of a slot: whole pages, so that every image begins on one."""
        pixels = self.width * self.height * CHANNELS
        return -(-pixels // mmap.PAGESIZE) * mmap.PAGESIZE

    @property
    def total_bytes(self) -> int:
        """Size of the whole memory. Pages never written to take no room."""
        return (self.slots + 1) * self.slot_bytes


def create_memory(shape: RingShape) -> int:
    """Make the shared memory and give its file descriptor, which the caller closes.

    Its size is sealed: a child that goes mad cannot cut it off under the parent's hands.
    """
    memory = os.memfd_create("inspectd-frames", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(memory, shape.total_bytes)
    fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return memory


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot, as a source sees it: room for one image."""

    index: int
    camera: str
    shape: RingShape
    buffer: memoryview

    def pixels(self, height: int, width: int) -> NDArray[np.uint8]:
        """Give the slot as an image to write into, uint8 RGB [height, width, 3], C-contiguous.

        Raises `CameraError` if the image has more pixels than the slot.
        """
        if height * width > self.shape.height * self.shape.width:
            raise CameraError(
                f"camera {self.camera}: an image of {width} x {height} px does not fit into "
                f"{self.shape.width} x {self.shape.height} px: set width and height to at least "
                f"{width} and {height}"
            )
        flat = np.frombuffer(self.buffer, dtype=np.uint8, count=height * width * CHANNELS)
        return flat.reshape(height, width, CHANNELS)


class RingWriter:
    """The child's side: which slots are free, and the one in hand."""

    def __init__(self, memory: int, shape: RingShape, camera: str) -> None:
        """Map the file descriptor `memory`; the caller may close it then."""
        view = memoryview(mmap.mmap(memory, shape.total_bytes))
        size = shape.slot_bytes
        self._slots = [
            Slot(index, camera, shape, view[index * size : (index + 1) * size])
            for index in range(shape.slots + 1)
        ]
        self._free = deque(range(1, shape.slots + 1))
        self.in_hand = self._slots[0]
        """The slot to write the next image into."""

    @property
    def can_hand_over(self) -> bool:
        """Whether a slot remains to write into once the one in hand is given away."""
        return bool(self._free)

    def hand_over(self) -> int:
        """Give the slot in hand away and take the next. Returns the index of the one given away."""
        given = self.in_hand.index
        self.in_hand = self._slots[self._free.popleft()]
        return given

    def take_back(self, index: int) -> None:
        """Take back a slot that the parent has returned. May be called from another thread."""
        self._free.append(index)


class RingReader:
    """The parent's side: read-only views. The mapping lives until the last view of it is gone."""

    def __init__(self, memory: int, shape: RingShape) -> None:
        """Map the file descriptor `memory`; the caller may close it then."""
        self._shape = shape
        self._view = memoryview(mmap.mmap(memory, shape.total_bytes, prot=mmap.PROT_READ))

    def pixels(self, slot: int, height: int, width: int) -> NDArray[np.uint8]:
        """Give the image in a slot, uint8 RGB [height, width, 3], read-only, not copied.

        Raises `CameraError` for a slot or size that the memory does not have.
        """
        fits = min(height, width) >= 0 and height * width <= self._shape.height * self._shape.width
        if not (fits and 0 <= slot <= self._shape.slots):
            raise CameraError(
                f"the camera's process spoke of slot {slot} with {width} x {height} px, which does not exist"
            )
        start = slot * self._shape.slot_bytes
        flat = np.frombuffer(self._view, dtype=np.uint8, offset=start, count=height * width * CHANNELS)
        return flat.reshape(height, width, CHANNELS)
