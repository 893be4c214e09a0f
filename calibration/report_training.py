"""What a report says of the training: its figures, and its losses step by step where they are kept."""

from __future__ import annotations

from typing import TYPE_CHECKING

from inspectd.calibration.report_page import Facts, Picture, Plot, Section, Text
from inspectd.calibration.report_plots import training_plot

if TYPE_CHECKING:
    from inspectd.calibration.history import History
    from inspectd.calibration.report_page import Block
    from inspectd.inference.bundle import Bundle


def training_section(bundle: Bundle, history: History | None) -> Section:
    """Return the curves of a training. A history of another number of steps is another training's: said."""
    kept = _kept(bundle)
    if history is None:
        text = (
            "The training's history is not there, so there are no curves. It lies beside the bundle as"
            " BUNDLE.training/history.json; name its folder with --training if it was moved."
        )
        return Section("training", "Training", [Facts(kept), Text(text, "missing")])
    blocks: list[Block] = []
    steps = bundle.manifest.metrics.get("steps")
    if steps is not None and steps != history.steps:
        text = (
            f"This history has {history.steps} steps, the bundle was trained with {steps}: it is another's."
        )
        blocks.append(Text(text, "warning"))
    blocks.append(Facts((*kept, *_told(history))))
    if not history.losses:
        return Section("training", "Training", [*blocks, Text("The history holds no step.", "missing")])
    held_out = [(each.step, each.loss) for each in history.held_out]
    picture = Picture(
        training_plot(history.losses, held_out, history.best_step or None),
        f"Loss against training step, {history.steps} steps, falling from {history.losses[0]:.3g} to"
        f" {history.losses[-1]:.3g}.",
    )
    caption = (
        "Both lines should fall and then level off. A held-out line that rises while the other goes on"
        " falling is a model that learns its images by heart; one that still falls at the end would gain from"
        " more training."
    )
    return Section("training", "Training", [*blocks, Plot("training-curves", picture, caption)])


def _kept(bundle: Bundle) -> list[tuple[str, str]]:
    """What the manifest keeps of the training."""
    kept, recipe = bundle.manifest.metrics, bundle.manifest.training
    rows = [
        ("Profile", str(recipe.get("profile", "not kept"))),
        ("Steps", str(kept.get("steps", "not kept"))),
    ]
    if isinstance(loss := kept.get("held_out_loss"), float):
        rows.append(("Held-out loss", f"{loss:.4g} (L2 + 1 - SSIM)"))
    if "training_minutes" in kept:
        rows.append(("Time", f"{kept['training_minutes']} min"))
    return rows


def _told(history: History) -> list[tuple[str, str]]:
    """What the history tells beyond the losses."""
    batches = ", ".join(
        str(each.batch) if not each.step else f"{each.batch} from step {each.step}"
        for each in history.batches
    )
    best = f"step {history.best_step}" if history.best_step else "none measured"
    return [
        ("Length", f"{history.steps} steps, {history.epochs:.1f} epochs of {history.images} images"),
        ("Ended by", history.ended or "not ended"),
        ("Weights kept", best),
        ("Batch", batches or "not kept"),
        ("Computed on", f"{history.device}, {history.precision}"),
    ]
