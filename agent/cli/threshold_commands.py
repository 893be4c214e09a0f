"""`inspectd calibrate`: the commands that decide which scores are accepted."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from inspectd.agent.cli.arguments import BundleArgument, ByOption, JsonOption

app = typer.Typer()

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would be decided; write nothing.")]


@app.command()
def threshold(  # noqa: PLR0913, PLR0917  one for each option
    bundle: BundleArgument,
    data: Annotated[Path | None, typer.Argument(help="Folder or CSV list with good images.")] = None,
    method: Annotated[
        str,
        typer.Option(
            help="quantile of good parts' scores; tail: the same from a fitted generalised Pareto tail (500"
            " parts or more); with defective parts in validation/: best-f1, least-cost, no-misses."
        ),
    ] = "quantile",
    false_reject_rate: Annotated[
        float, typer.Option(help="Share of good parts that may be rejected.")
    ] = 0.01,
    confidence: Annotated[float, typer.Option(help="Of intervals and of what the sample supports.")] = 0.95,
    folds: Annotated[
        int, typer.Option(min=0, help="Train this many sibling models, for scores of all good parts.")
    ] = 0,
    vgg19: Annotated[
        str | None, typer.Option(help="Pre-trained weights of the siblings: those the bundle began with.")
    ] = None,
    escape_cost: Annotated[float | None, typer.Option(help="Cost of a defective part let through.")] = None,
    false_reject_cost: Annotated[float | None, typer.Option(help="Cost of a good part rejected.")] = None,
    defect_rate: Annotated[
        float | None, typer.Option(help="Share of defective parts in production; assumed 0.01.")
    ] = None,
    reserve_test: Annotated[
        bool,
        typer.Option(
            "--reserve-test", help="Choose by a seeded half of test/ too; evaluate then leaves that half out."
        ),
    ] = False,
    recheck: Annotated[
        float | None,
        typer.Option(help="Recheck band: this share of the threshold under it; 0: none. Default: as before."),
    ] = None,
    recheck_rate: Annotated[
        float, typer.Option(help="Recheck band: so wide that this share of good parts falls in it.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Of folds, reserved half and resamples.")] = 0,
    from_journal: Annotated[
        Path | None, typer.Option(help="Choose by production: a station's record folder.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="Production's runtime, graph/runtime/precision, where its rows do not say it."),
    ] = None,
    bad: Annotated[
        Path | None, typer.Option(help="File of the ids of parts found bad in production, one a line.")
    ] = None,
    assume_all_good: Annotated[
        bool, typer.Option("--assume-all-good", help="Nobody looked at the parts: take all for good.")
    ] = False,
    review: Annotated[
        int, typer.Option(min=0, help="Only list production's parts with the highest scores, this many.")
    ] = 0,
    why: Annotated[str, typer.Option(help="Reason, kept in the decision.")] = "threshold chosen anew",
    by: ByOption = "",
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Choose the limits of a bundle from good parts that training did not use, or from production."""
    from inspectd.agent.cli.threshold import ThresholdOptions, run_threshold

    options = ThresholdOptions(
        bundle=bundle,
        data=data,
        journal=from_journal,
        key=key,
        bad=bad,
        assume_all_good=assume_all_good,
        review=review,
        why=why,
        by=by,
        dry_run=dry_run,
    )
    settings = {
        "method": method,
        "false_reject_rate": false_reject_rate,
        "confidence": confidence,
        "folds": folds,
        "vgg19": vgg19,
        "seed": seed,
        "escape_cost": escape_cost,
        "false_reject_cost": false_reject_cost,
        "defect_rate": defect_rate,
        "reserve_test": reserve_test,
        "recheck": recheck,
        "recheck_rate": recheck_rate,
    }
    run_threshold(options, settings, as_json=as_json)


@app.command()
def adjust(  # noqa: PLR0913, PLR0917  one for each option
    bundle: BundleArgument,
    why: Annotated[str, typer.Option(help="Reason, kept in the decision.")],
    threshold: Annotated[float | None, typer.Option(help="Scores at or over it are rejected.")] = None,
    low_limit: Annotated[float | None, typer.Option(help="Scores under it are implausibly good.")] = None,
    recheck: Annotated[
        float | None, typer.Option(help="Recheck band: this share of the threshold under it.")
    ] = None,
    pixel_threshold: Annotated[
        float | None, typer.Option(help="Where the anomaly map reaches it, a defect is drawn.")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(
            help="One runtime, graph/runtime/precision. Default: values are meant for openvino in float32,"
            " the others get them times the ratio of the golden scores."
        ),
    ] = None,
    by: ByOption = "",
    complete: Annotated[
        bool, typer.Option("--complete", help="You answer for it: the decision is not provisional.")
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Set limits by hand: writes a new decision, keeps the old."""
    from inspectd.agent.cli.adjust import AdjustOptions, run_adjust

    options = AdjustOptions(
        bundle=bundle,
        threshold=threshold,
        low_limit=low_limit,
        recheck=recheck,
        pixel_threshold=pixel_threshold,
        key=key,
        why=why,
        by=by,
        complete=complete,
        dry_run=dry_run,
    )
    run_adjust(options, as_json=as_json)
