"""The report's plots: scores with their limits, ROC and precision-recall curves, training, noise rates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter
from numpy.typing import NDArray

from inspectd.calibration.plotting import (
    BAND,
    DEFECTIVE,
    GOOD,
    HEIGHT,
    LIMIT,
    QUIET,
    SQUARE,
    WIDTH,
    legend_below,
    new_figure,
    plot_style,
    png_bytes,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from inspectd.inference.manifest import Limits

F64 = NDArray[np.float64]

_BINS = 48
_LOGARITHMIC_RATIO = 8.0
_ROW_HEIGHT = 0.24


@dataclass(frozen=True, slots=True)
class Curve:
    """A line of points with, where there is one, the point at the decision in force."""

    x: Sequence[float]
    y: Sequence[float]
    in_force: tuple[float, float] | None = None


def score_histogram(good: F64, by_kind: dict[str, F64], limits: Limits) -> bytes:
    """Draw how many parts have which score, and below it each single part, a row for each kind."""
    defective = np.concatenate(list(by_kind.values())) if by_kind else np.empty(0)
    rows = {"good": good, **by_kind}
    every = np.concatenate((good, defective, [limits.threshold]))
    lowest, highest = float(every.min()), float(every.max())
    logarithmic = lowest > 0 and highest / lowest > _LOGARITHMIC_RATIO
    space = np.geomspace if logarithmic else np.linspace
    margin = 1.06 if logarithmic else 1.001
    edges = space(lowest / margin, highest * margin, _BINS + 1)
    with plot_style():
        strips = 0.5 + _ROW_HEIGHT * len(rows)
        figure = new_figure(WIDTH, HEIGHT + strips)
        top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=(HEIGHT, strips))
        top.hist(good, bins=edges, color=GOOD, alpha=0.85, label=f"good ({len(good)})")
        if len(defective):
            style = {"facecolor": "none", "hatch": "//////", "edgecolor": DEFECTIVE, "linewidth": 1.2}
            label = f"defective ({len(defective)})"
            top.hist(defective, bins=edges, histtype="stepfilled", label=label, **style)
        top.set_ylabel("parts")
        top.yaxis.set_major_locator(MaxNLocator(integer=True))
        bottom.set_xlabel("anomaly score, no unit" + (" (logarithmic)" if logarithmic else ""))
        for axes in (top, bottom):
            _draw_limits(axes, limits)
        for row, (kind, scores) in enumerate(rows.items()):
            colour = GOOD if kind == "good" else DEFECTIVE
            bottom.plot(scores, np.full(len(scores), row), "|", color=colour, markersize=9, alpha=0.8)
        bottom.set_yticks(range(len(rows)), list(rows))
        bottom.set_ylim(len(rows) - 0.5, -0.5)
        bottom.grid(visible=False, axis="y")
        if logarithmic:
            bottom.set_xscale("log")
            bottom.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            bottom.xaxis.set_major_formatter(_plain())
            bottom.xaxis.set_minor_formatter(NullFormatter())
        figure.legend(*top.get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8)
        return png_bytes(figure)


def roc_plot(curve: Curve, auroc: float) -> bytes:
    """Draw the share of defective parts found against the share of good parts rejected."""
    return _square(
        curve,
        title=f"ROC, image AUROC {auroc:.3f}",
        x="good parts rejected (false-positive rate)",
        y="defective parts found (true-positive rate)",
        chance=((0, 1), (0, 1)),
    )


def precision_recall_plot(curve: Curve, share: float) -> bytes:
    """Draw precision against recall; `share` of the parts are defective, which is what chance would reach."""
    return _square(
        curve,
        title="Precision and recall",
        x="defective parts found (recall)",
        y="defective among those rejected (precision)",
        chance=((0, 1), (share, share)),
    )


def training_plot(
    losses: Sequence[float], held_out: Sequence[tuple[int, float]], chosen: int | None
) -> bytes:
    """Draw the loss of each training step, its running mean and the held-out loss (step, value)."""
    with plot_style():
        figure = new_figure()
        axes = figure.subplots()
        steps = np.arange(1, len(losses) + 1)
        if losses:
            axes.plot(steps, losses, color=GOOD, alpha=0.25, linewidth=0.7)
            axes.plot(steps, _running_mean(losses), color=GOOD, linewidth=1.6, label="training, running mean")
        if held_out:
            x, y = zip(*held_out, strict=True)
            line = axes.plot(x, y, "--o", color=DEFECTIVE, linewidth=1.6, markersize=3)[0]
            line.set_label("held-out images")
        if chosen is not None:
            axes.axvline(chosen, color=LIMIT, linewidth=1, linestyle=":", label="weights kept from here")
        positive = [value for value in (*losses, *(value for _, value in held_out)) if value > 0]
        if positive:
            axes.set_yscale("log")
            axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes.yaxis.set_major_formatter(_plain())
            axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("training step")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel("loss (logarithmic)" if positive else "loss")
        legend_below(axes)
        return png_bytes(figure)


def _square(
    curve: Curve, *, title: str, x: str, y: str, chance: tuple[tuple[float, float], tuple[float, float]]
) -> bytes:
    with plot_style():
        figure = new_figure(SQUARE, SQUARE)
        axes = figure.subplots()
        axes.plot(*chance, color=QUIET, linewidth=1, linestyle=":", label="chance")
        axes.plot(curve.x, curve.y, color=GOOD, linewidth=1.8, drawstyle="steps-post")
        if curve.in_force is not None:
            x_now, y_now = curve.in_force
            point = axes.plot(x_now, y_now, "D", color=DEFECTIVE, markersize=7, clip_on=False, zorder=5)[0]
            point.set_label("threshold in force")
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), title=title, xlabel=x, ylabel=y, aspect="equal")
        axes.legend(loc="lower right" if chance[1] == (0, 1) else "lower left", fontsize=8)
        return png_bytes(figure)


def _draw_limits(axes: Axes, limits: Limits) -> None:
    axes.axvline(limits.threshold, color=LIMIT, linewidth=1.4, label=f"threshold {limits.threshold:.4g}")
    if limits.recheck:
        start = limits.threshold * (1 - limits.recheck)
        label = f"recheck from {start:.4g}"
        axes.axvspan(start, limits.threshold, color=BAND, alpha=0.5, linewidth=0, label=label, zorder=0)
    if limits.low_limit > 0:
        label = f"low limit {limits.low_limit:.4g}"
        axes.axvline(limits.low_limit, color=LIMIT, linewidth=1.2, linestyle="--", label=label)


def _running_mean(values: Sequence[float]) -> F64:
    """Mean of the steps around each one, over about a thirtieth of the run; shorter at both ends."""
    window = max(1, len(values) // 30)
    weights = np.ones(window)
    whole = np.convolve(np.asarray(values, np.float64), weights, "same")
    return np.asarray(whole / np.convolve(np.ones(len(values)), weights, "same"))


def _plain() -> FuncFormatter:
    """Numbers as one writes them: 0.05, not a power of ten."""

    def text(value: float, _position: int | None) -> str:
        return f"{value:g}"

    return FuncFormatter(text)
