"""`inspectd simulate`: a data set of simulated buttons."""

from __future__ import annotations

from pathlib import Path

from inspectd.agent.cli.progress import progress_bar
from inspectd.io.button_dataset import write_dataset


def write_images(
    folder: Path, *, good: int, test_good: int, test_defective: int, size: int, seed: int
) -> None:
    """Write the images with a progress bar."""
    with progress_bar("writing images") as advance:
        write_dataset(
            folder,
            seed=seed,
            good=good,
            test_good=test_good,
            test_defective=test_defective,
            size=size,
            progress=advance,
        )
