"""What single sections of the report show: parts to look at, training, noise search; and the command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from html_page import HtmlPage
from report_bundle import KEY, write_dark_bundle

from inspectd.agent.cli.main import main
from inspectd.calibration.data import load_good, read_pixels
from inspectd.calibration.evaluate import evaluate
from inspectd.calibration.history import history_file, read_history
from inspectd.calibration.noise_result import NoiseBest, NoiseResult, NoiseTrial, write_result
from inspectd.calibration.report_cases import cases_section
from inspectd.calibration.report_noise import noise_section
from inspectd.calibration.report_page import Gallery, Plot, Section, Table, Text
from inspectd.calibration.report_training import training_section
from inspectd.calibration.scoring import open_scorer
from inspectd.inference.bundle import adjust_limits, load_bundle
from inspectd.inference.documents import file_id
from inspectd.inference.manifest import Limits
from inspectd.inference.runtime import RuntimeSettings


@pytest.fixture(scope="module")
def dark(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose score is the darkest place: about 0.7 for good parts, 0.95 for a dark spot."""
    return write_dark_bundle(tmp_path_factory.mktemp("sections") / "disk", data_folder, "disk")


@pytest.fixture
def bundle(dark: Path, tmp_path: Path) -> Path:
    """A copy to adjust."""
    return Path(shutil.copytree(dark, tmp_path / "disk"))


def cases_at(bundle: Path, data: Path, threshold: float, most: int = 4) -> list[Gallery]:
    """The galleries with a threshold in force."""
    limits = Limits(threshold=threshold, low_limit=0.0)
    loaded = adjust_limits(bundle, {KEY: limits}, how="by hand", why="tried", by="joe")
    report = evaluate(bundle, data, RuntimeSettings())
    with open_scorer(loaded, RuntimeSettings()) as scorer:
        section = cases_section(report, limits, scorer, most)
    return [block for block in section.blocks if isinstance(block, Gallery)]


def scores(gallery: Gallery) -> list[float]:
    return [float(case.note.split(",")[0].removeprefix("Score ")) for case in gallery.cases]


def test_the_worst_false_rejects_come_first(bundle: Path, data_folder: Path) -> None:
    """Under a threshold that all good parts reach, the highest score leads; no defect is missed."""
    rejects, closest = cases_at(bundle, data_folder, 0.1)
    assert rejects.title == "Worst false rejects"
    assert "6 of 6; the 4 worst are shown" in rejects.text
    assert len(rejects.cases) == 4
    assert scores(rejects) == sorted(scores(rejects), reverse=True)
    assert closest.title == "No misses; the closest calls"
    assert scores(closest) == sorted(scores(closest))


def test_the_worst_misses_come_first(bundle: Path, data_folder: Path) -> None:
    """Under a threshold that no part reaches, the lowest defective score leads; no good part is rejected."""
    closest, misses = cases_at(bundle, data_folder, 2.0)
    assert misses.title == "Worst misses"
    assert scores(misses) == sorted(scores(misses))
    assert closest.title == "No false rejects; the closest calls"
    assert len(closest.cases) == 3
    assert scores(closest) == sorted(scores(closest), reverse=True)


def test_input_and_map_bear_the_truth_and_the_reconstruction_does_not(
    bundle: Path, data_folder: Path, tmp_path: Path
) -> None:
    """This graph reconstructs its input exactly, so the outline alone sets the two pictures apart."""
    _, misses = cases_at(bundle, data_folder, 2.0)
    labels = [picture.label for picture in misses.cases[0].pictures]
    assert labels == ["Input", "Reconstruction", "Anomaly map"]
    pixels: list[Any] = []
    for picture in misses.cases[0].pictures:
        (tmp_path / "picture.jpg").write_bytes(picture.content)
        pixels.append(read_pixels(tmp_path / "picture.jpg").astype(np.int16))
    differs = np.abs(pixels[0] - pixels[1]).max(axis=2) > 60
    assert 0.005 < differs.mean() < 0.15
    rows, columns = np.nonzero(differs)
    side = len(differs)
    # The spot's centre in the 48 px image is column 24, row 20; what is outlined stays visible inside.
    assert abs(columns.mean() / side - 24.5 / 48) < 0.05
    assert abs(rows.mean() / side - 20.5 / 48) < 0.05
    assert not differs[round(20.5 / 48 * side), round(24.5 / 48 * side)]
    assert (pixels[2] > 220).all(axis=2).any()


def texts(section: Section, tone: str) -> str:
    return " ".join(block.text for block in section.blocks if isinstance(block, Text) and block.tone == tone)


def plots(section: Section) -> list[str]:
    return [block.name for block in section.blocks if isinstance(block, Plot)]


def test_training_curves_come_from_the_history(dark: Path) -> None:
    """Without it there is no plot and the page says so; another training's is called that."""
    loaded, history = load_bundle(dark), read_history(history_file(dark))
    assert history is not None
    section = training_section(loaded, history)
    assert plots(section) == ["training-curves"]
    assert not texts(section, "missing")
    assert not texts(section, "warning")
    section = training_section(loaded, None)
    assert plots(section) == []
    assert "history is not there" in texts(section, "missing")
    other = history.model_copy(update={"steps": 7})
    assert "7 steps, the bundle was trained with 60" in texts(training_section(loaded, other), "warning")


def study(data_sha256: str, *trials: NoiseTrial) -> NoiseResult:
    complete = [trial for trial in trials if trial.state == "complete"]
    best = None
    if complete:
        certainty = "not told apart from 0.1 to 0.3"
        best = NoiseBest(number=0, sigma=0.2, value=0.9, plausible=(0.1, 0.3), certainty=certainty)
    return NoiseResult(
        class_name="disk",
        measured_on="synthetic",
        maximised="mean of image and pixel AUROC",
        caveat="synthetic defects are not yours",
        good=6,
        defective=6,
        low=0.05,
        high=0.5,
        steps=40,
        seed=0,
        seeds=1,
        recipe={},
        data_sha256=data_sha256,
        trials=trials,
        best=best,
        code_version="0.1.0",
        written_at="2026-05-31T10:00:00+00:00",
    )


TRIALS = (
    NoiseTrial(number=0, sigma=0.2, state="complete", value=0.9, image_auroc=0.88, pixel_auroc=0.92),
    NoiseTrial(number=1, sigma=0.45, state="pruned", value=0.6),
    NoiseTrial(number=2, sigma=0.3, state="failed", note="diverged"),
)


def test_every_rate_of_a_study_is_told(dark: Path, data_folder: Path) -> None:
    """With its caveat; trials that came to nothing as well."""
    result = study(load_good(data_folder, 32).sha256, *TRIALS)
    section = noise_section(load_bundle(dark), result)
    assert plots(section) == ["noise-search"]
    assert texts(section, "warning") == "synthetic defects are not yours"
    table = next(block for block in section.blocks if isinstance(block, Table))
    assert [row[2] for row in table.rows] == ["complete", "pruned", "failed"]
    assert table.rows[2][-1] == "diverged"


def test_a_study_of_other_images_is_called_that(dark: Path) -> None:
    """So is one that has come to nothing yet, which has no plot."""
    section = noise_section(load_bundle(dark), study("0" * 64, TRIALS[2]))
    assert "other good images" in texts(section, "warning")
    assert plots(section) == []
    assert "No trial" in texts(section, "missing")


def keep_logs(_level: str) -> None:
    """Leave the logs as they are."""


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr("sys.argv", ["inspectd", "calibrate", "report", *map(str, arguments)])
    # The command's logs would go to this test's captured stream for ever.
    monkeypatch.setattr("inspectd.agent.logs.set_up_logs", keep_logs)
    with pytest.raises(SystemExit) as ended:
        main()
    if ended.value.code:
        raise SystemExit(ended.value.code)


def test_the_command_prints_one_object(
    dark: Path,
    data_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With the file's path and hash; the study is found in its folder, the user by login."""
    write_result(tmp_path, study(load_good(data_folder, 32).sha256, *TRIALS))
    monkeypatch.setenv("LOGNAME", "olga")
    out = tmp_path / "folder" / "report.html"
    call(monkeypatch, dark, data_folder, "--out", out, "--noise-study", tmp_path, "--json")
    told = json.loads(capsys.readouterr().out)
    assert told["sha256"] == file_id(out)
    assert (told["images"], told["missing"], told["plots"]) == (12, [], [])
    page = HtmlPage(out)
    assert "by olga" in page.text
    assert "not told apart" in page.sections["noise"]


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (("--date", "yesterday"), 2, "--date 'yesterday' is no date"),
        (("--precision", "int4"), 2, "--precision"),
        (("--noise-study", "nowhere"), 1, "noise study"),
        (("--training", "nowhere"), 1, "no history of a training"),
    ],
)
def test_wrong_options_are_told_in_one_line(
    dark: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: tuple[str, str],
    status: int,
    told: str,
) -> None:
    """Nothing is written, and standard output stays empty."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        call(monkeypatch, dark, *arguments)
    said = capsys.readouterr()
    assert ended.value.code == status
    assert (told in said.err, said.out, said.err.count("\n")) == (True, "", 1)
    assert not list(tmp_path.iterdir())


def test_a_damaged_history_is_told(
    bundle: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not passed over as if there were none."""
    history_file(bundle).parent.mkdir()
    history_file(bundle).write_text("{")
    with pytest.raises(SystemExit):
        call(monkeypatch, bundle, "--out", bundle.parent / "report.html")
    assert "history.json: damaged" in capsys.readouterr().err
    assert not (bundle.parent / "report.html").exists()
