"""Draws the paper's Figures 5 to 9 from what a bundle made of test images.

Colours run from black over red to yellow (inferno), so a high score is bright with any colour vision; the
paper's own maps are red where the score is high.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.plotting import GOOD, LIMIT, QUIET, new_figure, plot_style, png_bytes

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_COLOURS = "inferno"
_DARK = 1e-9
"""Least end of a colour scale: a map of zeros has none of its own."""

# Inches: a picture's side, between pictures, between rows for the line under each, for titles, for the scale.
_CELL, _GAP, _ROW_GAP, _TOP, _BOTTOM = 1.6, 0.1, 0.26, 1.15, 0.8


@dataclass(frozen=True, slots=True)
class Shown:
    """A picture pair: what a graph reconstructed, uint8 RGB [S, S, 3], and its map, float32 [S, S]."""

    reconstruction: NDArray[np.uint8]
    anomaly_map: NDArray[np.float32]
    score: float


@dataclass(frozen=True, slots=True)
class Example:
    """A test image, uint8 RGB [H, W, 3], its truth, bool [H, W], and what one or two graphs made of it."""

    kind: str
    verdict: str
    pixels: NDArray[np.uint8]
    mask: NDArray[np.bool_] | None
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Timing:
    """How long one frame takes a class's bundle, ms, preparation included."""

    class_name: str
    median_ms: float
    p95_ms: float
    frames: int


def localisation(class_name: str, examples: Sequence[Example], threshold: float | None) -> bytes:
    """Draw Figure 5, 8 or 9 for one class as PNG: input, truth and map, two images a row.

    The colours of all maps run from 0 to twice the threshold, or to the highest value without one.
    """
    rows = (len(examples) + 1) // 2
    highest = max(float(each.shown[0].anomaly_map.max()) for each in examples)
    scale = 2 * threshold if threshold else max(highest, _DARK)
    with plot_style():
        figure, cells = _grid(rows, 6)
        for column, title in enumerate(("input", "ground truth", "anomaly map") * 2):
            cells[0][column].set_title(f"{'abcdef'[column]}) {title}", loc="center")
        for index, example in enumerate(examples):
            first, second, third = cells[index // 2][3 * (index % 2) : 3 * (index % 2) + 3]
            first.imshow(example.pixels)
            _label(first, example.kind)
            _truth(second, example.mask)
            drawn = _map(third, example.shown[0].anomaly_map, scale)
            _label(third, f"{example.shown[0].score:.3g} {example.verdict}".rstrip())
            if not index:
                _scale(figure, drawn, threshold)
        _headline(
            figure,
            f"{class_name}: where the defects are (the paper's Figures 5, 8, 9)",
            "Of each kind, images spread evenly from lowest to highest score, which stands under the map.",
        )
        return png_bytes(figure)


def with_and_without_noise(class_name: str, examples: Sequence[Example], how: str) -> bytes:
    """Draw Figure 6 as PNG, an image a row; each example has two `shown`, with noise first.

    `how` says in a sentence what differs. Both maps of a row have one colour scale.
    """
    with plot_style():
        figure, cells = _grid(len(examples), 6)
        titles = (
            "input",
            "ground truth",
            *(
                f"{what}\n{way} noise"
                for way in ("with", "without")
                for what in ("reconstruction", "heat map")
            ),
        )
        for column, title in enumerate(titles):
            cells[0][column].set_title(f"{'abcdef'[column]}) {title}", loc="center")
        for row, example in zip(cells, examples, strict=True):
            row[0].imshow(example.pixels)
            _label(row[0], example.kind)
            _truth(row[1], example.mask)
            highest = max(float(each.anomaly_map.max()) for each in example.shown)
            for shown, picture, heat in zip(example.shown, row[2::2], row[3::2], strict=True):
                picture.imshow(shown.reconstruction)
                _map(heat, shown.anomaly_map, max(highest, _DARK))
                _label(heat, f"{shown.score:.3g}")
        _headline(
            figure,
            f"{class_name}: with and without noise (the paper's Figure 6)",
            f"{how}\nThe score stands under its map; both maps of a row have one colour scale, from 0.",
        )
        return png_bytes(figure)


def inference_times(timings: Sequence[Timing], where: str) -> bytes:
    """Draw Figure 7 as PNG: a bar for each class with its median, a whisker to the 95th percentile."""
    with plot_style():
        figure = new_figure(height=1.4 + 0.45 * len(timings))
        axes = figure.subplots()
        places = np.arange(len(timings))
        medians = np.asarray([each.median_ms for each in timings])
        tails = np.asarray([max(0.0, each.p95_ms - each.median_ms) for each in timings])
        axes.barh(places, medians, height=0.6, color=GOOD)
        axes.errorbar(
            medians, places, xerr=(np.zeros_like(tails), tails), fmt="none", ecolor=LIMIT, capsize=3
        )
        told = [
            f"{each.class_name}\n{each.median_ms:.1f} ms, 95 % within {each.p95_ms:.1f}" for each in timings
        ]
        axes.set_yticks(places, told)
        axes.invert_yaxis()
        axes.grid(visible=False, axis="y")
        axes.margins(x=0.12)
        axes.set_xlim(left=0)
        axes.set_xlabel("ms a frame, preparation included")
        figure.suptitle(
            f"Inference time by class: median, and 95th percentile (the paper's Figure 7)\n{where}",
            x=0.01,
            ha="left",
            fontsize=10,
        )
        return png_bytes(figure)


def _grid(rows: int, columns: int) -> tuple[Figure, Any]:
    """Return a figure with rows x columns empty pictures, and room for titles and scale."""
    width = columns * _CELL + (columns + 1) * _GAP
    height = _TOP + _BOTTOM + rows * _CELL + (rows - 1) * _ROW_GAP
    figure = new_figure(width, height)
    figure.set_layout_engine(None)  # the places are computed here
    cells: Any = figure.subplots(rows, columns, squeeze=False)
    figure.subplots_adjust(
        left=_GAP / width,
        right=1 - _GAP / width,
        top=1 - _TOP / height,
        bottom=_BOTTOM / height,
        wspace=_GAP / _CELL,
        hspace=_ROW_GAP / _CELL,
    )
    for axes in cells.flat:
        axes.set_axis_off()
    return figure, cells


def _headline(figure: Figure, title: str, explanation: str) -> None:
    width, height = (float(each) for each in figure.get_size_inches())
    left = _GAP / width
    figure.text(left, 1 - 0.12 / height, title, fontsize=12, va="top", color=LIMIT)
    figure.text(left, 1 - 0.38 / height, explanation, fontsize=8, va="top", color=QUIET)


def _label(axes: Axes, text: str) -> None:
    """Write a line under a picture."""
    axes.text(0.5, -0.03, text, transform=axes.transAxes, ha="center", va="top", fontsize=7.5, color=LIMIT)


def _truth(axes: Axes, mask: NDArray[np.bool_] | None) -> None:
    if mask is None:
        axes.text(0.5, 0.5, "no mask", transform=axes.transAxes, ha="center", va="center", color=QUIET)
        return
    axes.imshow(mask, cmap="gray", vmin=0, vmax=1, interpolation="nearest")


def _map(axes: Axes, anomaly_map: NDArray[np.float32], scale: float) -> Any:
    return axes.imshow(anomaly_map, cmap=_COLOURS, vmin=0, vmax=scale)


def _scale(figure: Figure, drawn: Any, threshold: float | None) -> None:
    """Draw the colour scale along the bottom, with the threshold on it."""
    height = float(figure.get_size_inches()[1])
    axes = figure.add_axes((0.3, 0.42 / height, 0.4, 0.12 / height))
    bar: Any = figure.colorbar(drawn, cax=axes, orientation="horizontal")
    bar.set_label("anomaly score (Eq. 7)" + ("; the line is the threshold" if threshold else ""), fontsize=8)
    axes.tick_params(labelsize=7)
    if threshold:
        axes.axvline(threshold, color="white", linewidth=1.5)
