"""`inspectd calibrate threshold --from-journal` and `inspectd calibrate adjust`."""

from __future__ import annotations

import json
import shutil
from importlib.resources import files
from pathlib import Path
from typing import Any

import command
import numpy as np
import pytest

from inspectd.calibration import decide
from inspectd.calibration.kept_folds import kept_file
from inspectd.inference.bundle import adjust_limits, load_bundle

SHIPPED = Path(str(files("inspectd.configs") / "bundles" / "buttons"))
KEY = "float32/openvino/float32"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A copy of the shipped bundle whose decision is provisional."""
    folder = Path(shutil.copytree(SHIPPED, tmp_path / "buttons"))
    adjust_limits(folder, {}, how="test", why="test", by="test", provisional="too few")
    return folder


def row(folder: Path, part: int, score: float | None, **changes: Any) -> dict[str, Any]:
    loaded = load_bundle(folder)
    return {
        "time": f"2026-01-01T00:{part // 60 % 60:02}:{part % 60:02}.000+00:00",
        "part": part,
        "bundle": loaded.bundle_id,
        "class": loaded.manifest.class_name,
        "reason": 43,
        "score": score,
        "engine": KEY,
        "image": f"{part}.png",
    } | changes


@pytest.fixture
def record(bundle: Path, tmp_path: Path) -> Path:
    """A station's record: 320 good parts in shadow, parts 1001 and 1002 defective, and rows not to use."""
    scores = np.random.default_rng(0).normal(0.035, 0.002, 320)
    template = row(bundle, 0, 0.0)
    rows = [template | {"part": n, "score": float(score)} for n, score in enumerate(scores, 1)]
    rows += [row(bundle, 1001, 0.09, reason=1), row(bundle, 1002, 0.08, reason=1)]
    rows += [row(bundle, 2001, None, reason=33), row(bundle, 2002, 0.03, bundle="0" * 64)]
    rows += [row(bundle, 2003, 0.03, engine="float32/openvino/bfloat16", bundle="0" * 64)]
    folder = tmp_path / "record"
    folder.mkdir()
    lines = [json.dumps(each) for each in rows]
    (folder / "verdicts.jsonl.1").write_text("\n".join(lines[:100]) + "\n")
    (folder / "verdicts.jsonl").write_text("\n".join([*lines[100:200], '{"part": 3', *lines[200:]]) + "\n")
    return folder


def test_review_lists_the_highest_scores_and_changes_nothing(
    inspectd: command.Inspectd, bundle: Path, record: Path
) -> None:
    """Part, time, score and image of those that a person must look at."""
    before = load_bundle(bundle).decision_id
    arguments = ("calibrate", "threshold", bundle, "--from-journal", record, "--review", 3)
    done = inspectd(*arguments)
    assert done.status == 0, done.err
    assert [line.split()[0] for line in done.out.splitlines()[1:3]] == ["1001", "1002"]
    assert "1001.png" in done.out
    assert "1 torn" in done.err
    size = sum(path.stat().st_size for path in record.iterdir()) // 1000
    assert f"journal {size}/{size} kB read" in done.err
    report = inspectd(*arguments, "--json").report
    assert [part["part"] for part in report["parts"]][:2] == [1001, 1002]
    assert report["left_out"] == {"not judged by its score": 1, "another bundle": 2, "torn": 1}
    assert load_bundle(bundle).decision_id == before


def test_reviewed_production_completes_the_decision(
    inspectd: command.Inspectd, bundle: Path, record: Path, tmp_path: Path
) -> None:
    """The parts named bad are left out; 320 good ones support 1 %."""
    bad = tmp_path / "bad.txt"
    bad.write_text("1001  # scratched\n\n1002\n")
    done = inspectd(
        "calibrate", "threshold", bundle, "--from-journal", record, "--bad", bad, "--by", "tech", "--json"
    )
    report = done.report
    assert report["bad"] == [1001, 1002]
    assert report["keys"][KEY]["good"] == 320
    assert report["keys"][KEY]["misses"]["found"] == 0
    decision = load_bundle(bundle).decision
    assert decision.provisional == report["provisional"] == ""
    assert decision.limits[KEY].threshold == report["limits"][KEY]["threshold"] < 0.05
    assert "2 parts named bad were left out" in decision.how
    assert "1 torn" in decision.how
    assert decision.by == "tech"


def test_unreviewed_production_is_taken_only_when_said(
    inspectd: command.Inspectd, bundle: Path, record: Path
) -> None:
    """What is assumed stands in the decision; without the word nothing happens."""
    arguments = ("calibrate", "threshold", bundle, "--from-journal", record, "--by", "tech")
    before = load_bundle(bundle).decision_id
    assert inspectd(*arguments).refuses(2, "--review", "--bad", "--assume-all-good")
    assert load_bundle(bundle).decision_id == before
    assert inspectd(*arguments, "--assume-all-good", "--json").report["keys"][KEY]["good"] == 322
    decision = load_bundle(bundle).decision
    assert "all were assumed to be good" in decision.how
    assert decision.provisional.startswith("nobody looked at the parts")


def test_a_signed_review_may_find_nothing_bad(
    inspectd: command.Inspectd, bundle: Path, record: Path, tmp_path: Path
) -> None:
    """An empty file is a person's word that all are good: that completes the decision."""
    bad = tmp_path / "bad.txt"
    bad.write_text("")
    arguments = ("calibrate", "threshold", bundle, "--from-journal", record, "--by", "tech", "--json")
    assert inspectd(*arguments, "--bad", bad).report["provisional"] == ""


def test_parts_named_bad_may_choose(
    inspectd: command.Inspectd, bundle: Path, record: Path, tmp_path: Path
) -> None:
    """Methods that need defects use them; the decision says so."""
    bad = tmp_path / "bad.txt"
    bad.write_text("1001\n1002\n")
    arguments = ("calibrate", "threshold", bundle, "--from-journal", record, "--by", "tech", "--json")
    how = inspectd(*arguments, "--bad", bad, "--method", "no-misses").report["how"]
    assert "2 parts named bad were chosen by as defective" in how


def test_dry_run_writes_nothing(inspectd: command.Inspectd, bundle: Path, record: Path) -> None:
    """It shows what would be in force."""
    before = load_bundle(bundle).decision_id
    done = inspectd(
        *("calibrate", "threshold", bundle, "--from-journal", record, "--assume-all-good", "--dry-run")
    )
    assert done.status == 0, done.err
    assert "nothing was written" in done.out
    assert load_bundle(bundle).decision_id == before


def test_rows_of_two_runtimes_need_a_key(inspectd: command.Inspectd, bundle: Path, record: Path) -> None:
    """One decides for one; without any telling, the caller must."""
    arguments = ("calibrate", "threshold", bundle, "--from-journal", record, "--assume-all-good", "--json")
    with (record / "verdicts.jsonl").open("a") as file:
        file.write(json.dumps(row(bundle, 3000, 0.03, engine="float32/openvino/bfloat16")) + "\n")
    assert inspectd(*arguments).refuses(1, "Name one with --key", "(323)")
    assert inspectd(*arguments, "--key", KEY).report["left_out"]["another runtime"] == 1


@pytest.mark.parametrize(
    ("text", "told"),
    [("1001\n1oo2\n", "bad.txt:2: '1oo2' is not a part id"), ("1001\n9999\n", "does not have: 9999")],
)
def test_a_slip_in_the_list_of_bad_parts_is_refused(
    inspectd: command.Inspectd, bundle: Path, record: Path, tmp_path: Path, text: str, told: str
) -> None:
    """A defective part would stay among the good ones."""
    bad = tmp_path / "bad.txt"
    bad.write_text(text)
    done = inspectd("calibrate", "threshold", bundle, "--from-journal", record, "--bad", bad)
    assert done.refuses(1, told)


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        ((), 2, "name either DATA"),
        (("data", "--from-journal", "record"), 2, "name either DATA"),
        (("data", "--assume-all-good"), 2, "go with --from-journal"),
        (("--from-journal", "record", "--folds", 3, "--assume-all-good"), 2, "go with DATA"),
        (("--from-journal", "record", "--bad", "x", "--assume-all-good"), 2, "not both"),
        (("--from-journal", "nowhere", "--assume-all-good"), 1, "has no verdicts.jsonl"),
        (("data", "--why", " "), 2, "--why: is empty"),
        (("data", "--method", "guess"), 2, "--method guess"),
        (("data", "--false-reject-rate", "nan"), 2, "--false-reject-rate nan"),
        (("data", "--method", "least-cost"), 2, "--escape-cost"),
        (("data",), 1, "data: no such folder"),
    ],
)
def test_wrong_options_are_one_clear_message(
    inspectd: command.Inspectd, bundle: Path, arguments: tuple[object, ...], status: int, told: str
) -> None:
    """On standard error, with status 2 for options, 1 for what they name."""
    assert inspectd("calibrate", "threshold", bundle, *arguments).refuses(status, told)


@pytest.mark.parametrize("kept", [True, False])
def test_ctrl_c_says_what_is_kept(
    inspectd: command.Inspectd, bundle: Path, monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    """Whoever stops hours of trainings must know whether they are lost; the decision stays."""

    def stopped(*_: object) -> None:
        if kept:
            kept_file(load_bundle(bundle)).touch()
        raise KeyboardInterrupt

    monkeypatch.setattr(decide, "choose_from_images", stopped)
    before = load_bundle(bundle).decision_id
    told = "the same command goes on after the folds finished" if kept else "nothing was changed"
    assert inspectd("calibrate", "threshold", bundle, "data", "--folds", 5).refuses(130, told)
    assert load_bundle(bundle).decision_id == before


def test_adjust_shows_before_and_after(inspectd: command.Inspectd, bundle: Path) -> None:
    """And keeps the decision before, provisional or not."""
    before = load_bundle(bundle).decision
    done = inspectd("calibrate", "adjust", bundle, "--threshold", 0.06, "--why", "light", "--by", "tech")
    assert done.status == 0, done.err
    assert f"threshold: 0.06  (before: {before.limits[KEY].threshold:.6g})" in done.out
    assert "PROVISIONAL: too few" in done.out
    assert f"decision: version {before.version + 1}, in force" in done.out
    decision = load_bundle(bundle).decision
    assert (decision.limits[KEY].threshold, decision.why, decision.by) == (0.06, "light", "tech")


def test_adjust_can_be_tried_and_completes_when_told(inspectd: command.Inspectd, bundle: Path) -> None:
    """--dry-run shows, --complete ends provisional, the login user signs where no name is given."""
    arguments = ("calibrate", "adjust", bundle, "--threshold", 0.06, "--why", "light", "--complete", "--json")
    version = load_bundle(bundle).decision.version
    tried = inspectd(*arguments, "--dry-run").report
    assert (tried["written"], tried["version"], tried["provisional"]) == (False, version, "")
    assert tried["after"][KEY]["threshold"] == 0.06
    done = inspectd(*arguments).report
    assert (done["written"], done["version"]) == (True, version + 1)
    assert "declared complete by hand, provisional until now: too few" in done["how"]
    assert load_bundle(bundle).decision.provisional == ""
    assert load_bundle(bundle).decision.by


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("--threshold", "nan", "--why", "x"), 1, "not a finite number"),
        (("--threshold", 0.01, "--why", "x"), 1, "not below the threshold"),
        (("--threshold", 0.06, "--why", ""), 2, "--why: is empty"),
        (("--why", "x"), 1, "nothing to change"),
        (("--threshold", 0.06, "--why", "x", "--key", "a/b/c"), 1, "no limits for a/b/c"),
    ],
)
def test_adjust_refuses_nonsense(
    inspectd: command.Inspectd, bundle: Path, arguments: tuple[object, ...], status: int, told: str
) -> None:
    """One message, and the decision stays."""
    before = load_bundle(bundle).decision_id
    assert inspectd("calibrate", "adjust", bundle, *arguments).refuses(status, told)
    assert load_bundle(bundle).decision_id == before
