"""What a report says of the search for the noise rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import FuncFormatter

from inspectd.calibration.plotting import (
    BAND,
    DEFECTIVE,
    GOOD,
    LIMIT,
    QUIET,
    legend_below,
    new_figure,
    plot_style,
    png_bytes,
)
from inspectd.calibration.report_page import Facts, Picture, Plot, Section, Table, Text
from inspectd.calibration.sigma_origin import recorded_origin

if TYPE_CHECKING:
    from inspectd.calibration.noise_result import NoiseResult, NoiseTrial
    from inspectd.calibration.report_page import Block
    from inspectd.inference.bundle import Bundle

TITLE = "Noise search"


def noise_section(bundle: Bundle, result: NoiseResult | None) -> Section:
    """Return every rate that was tried with what came of it; a study of other data is called that."""
    if result is None:
        text = (
            f"No noise study was given. The bundle's rate is {_rate_of(bundle)}, {_origin(bundle)}. Name a"
            " study's folder with --noise-study to have its rates and results here."
        )
        return Section("noise", TITLE, [Text(text, "missing")])
    blocks: list[Block] = []
    if result.data_sha256 != bundle.manifest.training_data:
        text = f"This study, of class {result.class_name}, was made with other good images than the bundle."
        blocks.append(Text(text, "warning"))
    origin = recorded_origin(bundle.manifest)
    if origin is not None and origin.study is None:
        blocks.append(Text(f"The bundle's rate is not from this study: {origin.in_words()}.", "warning"))
    blocks += [Text(result.caveat, "warning")] if result.caveat else []
    blocks.append(_facts(bundle, result))
    if any(trial.value is not None for trial in result.trials):
        best = ""
        if result.best is not None:
            best = f" The best is {result.best.sigma:.3g}: {result.best.certainty.rstrip('. ')}."
        alt = f"Result against noise rate, {len(result.trials)} trials.{best}"
        caption = (
            "A filled point is a rate trained to the end, a ring one stopped early for being poor; the higher"
            f" the better.{best}"
        )
        blocks.append(Plot("noise-search", Picture(noise_plot(result), alt), caption))
    else:
        blocks.append(Text("No trial of this study has come to a result yet.", "missing"))
    columns = ("Trial", "Rate sigma", "State", "Value", "Image AUROC", "Pixel AUROC", "Steps", "Time", "Note")
    rows = [_row(trial) for trial in result.trials]
    blocks.append(Table("Every rate that was tried.", columns, rows, frozenset({0, 1, 3, 4, 5, 6, 7})))
    return Section("noise", TITLE, blocks)


def noise_plot(result: NoiseResult) -> bytes:
    """Draw the value of each trial against its rate; the plausible range is shaded, the best rate marked."""
    with plot_style():
        figure = new_figure()
        axes = figure.subplots()
        best = result.best
        if best is not None and best.plausible is not None:
            axes.axvspan(
                *best.plausible, color=BAND, alpha=0.35, linewidth=0, label="not told apart", zorder=0
            )
        for state, mark, colour, filled in (
            ("pruned", "o", QUIET, False),
            ("complete", "o", GOOD, True),
        ):
            chosen = [each for each in result.trials if each.state == state and each.value is not None]
            if not chosen:
                continue
            values = [each.value or 0.0 for each in chosen]
            points = axes.plot([each.sigma for each in chosen], values, mark, color=colour)[0]
            points.set_label("stopped early" if state == "pruned" else "complete")
            points.set_markerfacecolor(colour if filled else "white")
        if best is not None:
            point = axes.plot([best.sigma], [best.value], "D", color=DEFECTIVE, markersize=8, zorder=5)[0]
            point.set_label(f"best, {best.sigma:.3g}")
        if result.preset is not None:
            axes.axvline(result.preset.sigma, color=LIMIT, linestyle=":", linewidth=1.2, label="paper's rate")
        axes.set(
            xlabel="noise rate sigma (standard deviation, image in 0 to 1)",
            ylabel=result.maximised.partition(" on ")[0],
        )
        axes.xaxis.set_major_formatter(FuncFormatter(_plain))
        legend_below(axes, columns=3)
        return png_bytes(figure)


def _origin(bundle: Bundle) -> str:
    origin = recorded_origin(bundle.manifest)
    return "its origin not recorded" if origin is None else origin.in_words()


def _facts(bundle: Bundle, result: NoiseResult) -> Facts:
    images = f"{result.good} good and {result.defective} defective"
    images += " images of validation/" if result.measured_on == "validation" else " (synthetic) images"
    rows = [
        ("The bundle's rate", f"{_rate_of(bundle)}, {_origin(bundle)}"),
        ("Value of a trial", result.maximised),
        ("Measured on", images),
        ("Range searched", f"{result.low:g} to {result.high:g}"),
        ("Each rate", f"{result.seeds} training(s) of {result.steps} steps, seed {result.seed}"),
    ]
    if result.best is not None:
        rows.append(("Best rate", f"{result.best.sigma:.3g}: {result.best.certainty}"))
    if result.preset is not None:
        preset = result.preset
        rows.append(("Paper's rate, tried first", f"{preset.sigma:g} ({preset.source})"))
    rows.append(("Written", f"{result.written_at} by inspectd {result.code_version}"))
    return Facts(rows)


def _row(trial: NoiseTrial) -> tuple[str, ...]:
    shares = ("" if each is None else f"{each:.3f}" for each in (trial.image_auroc, trial.pixel_auroc))
    value = "" if trial.value is None else f"{trial.value:.4f}"
    start = (str(trial.number), f"{trial.sigma:.3f}", trial.state, value)
    return (*start, *shares, str(trial.steps), f"{trial.seconds:.0f} s", trial.note)


def _rate_of(bundle: Bundle) -> str:
    sigma = bundle.manifest.training.get("sigma")
    return f"{sigma} in training, {bundle.manifest.noise.sigma:g} in the graph"


def _plain(value: float, _position: int | None) -> str:
    return f"{value:g}"
