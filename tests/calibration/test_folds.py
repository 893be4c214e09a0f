"""K-fold scores: all that may be wrong is told before the first training, and none of those is made twice."""

from __future__ import annotations

import errno
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from report_bundle import KEY, write_dark_bundle

from inspectd.calibration import fold_plan, folds, kept_folds
from inspectd.calibration.decide import choose_from_images
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.fold_plan import FoldPlan, plan_folds
from inspectd.calibration.folds import FoldScores, fold_scores
from inspectd.calibration.kept_folds import Fold, kept_file
from inspectd.calibration.layout import read_layout
from inspectd.calibration.threshold_settings import ThresholdSettings
from inspectd.calibration.unseen import good_outside_test
from inspectd.inference.bundle import Bundle, load_bundle
from inspectd.inference.errors import WeightsError

FOLDS = 5
NO_SPACE = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(scope="module")
def pristine(data_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that took no training."""
    return write_dark_bundle(tmp_path_factory.mktemp("folds") / "bundle", data_folder, "disk")


@pytest.fixture
def bundle(pristine: Path, tmp_path: Path) -> Bundle:
    """A copy that has a folder of its own."""
    return load_bundle(Path(shutil.copytree(pristine, tmp_path / "bundle")))


@dataclass
class Trainings:
    """Stands in for the siblings' trainings: a score tells image and fold; one may be cut off."""

    made: list[int] = field(default_factory=list[int])
    cut_at: int = -1
    cut_by: BaseException = field(default_factory=KeyboardInterrupt)

    def __call__(
        self, plan: FoldPlan, number: int, _order: object, held_out: NDArray[np.int64], _tell: object
    ) -> Fold:
        if number == self.cut_at:
            raise self.cut_by
        self.made.append(number)
        return Fold(
            scores={key: tuple(float(each) / 7 + number for each in held_out) for key in plan.identity.keys}
        )


@pytest.fixture(autouse=True)
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    """Take the place of the trainings."""
    made = Trainings()
    monkeypatch.setattr(folds, "_train_and_score", made)
    return made


def run(bundle: Bundle, data: Path, folds: int = FOLDS, seed: int = 0) -> FoldScores:
    return fold_scores(plan_folds(bundle, good_outside_test(read_layout(data)), folds, seed, None))


@pytest.mark.parametrize("cut_by", [KeyboardInterrupt(), SystemExit(), MemoryError()])
def test_the_same_call_goes_on_where_it_was_cut_off(
    bundle: Bundle, data_folder: Path, trainings: Trainings, cut_by: BaseException
) -> None:
    """After three folds only the other two are trained, and the scores are those of a run in one go."""
    trainings.cut_at, trainings.cut_by = 3, cut_by
    with pytest.raises(type(cut_by)):
        run(bundle, data_folder)
    assert trainings.made == [0, 1, 2]
    trainings.cut_at = -1
    resumed = run(bundle, data_folder)
    assert trainings.made == [0, 1, 2, 3, 4]
    assert resumed.resumed == 3
    kept_file(bundle).unlink()
    whole = run(bundle, data_folder)
    assert (whole.resumed, whole.by_key, whole.medians) == (0, resumed.by_key, resumed.medians)
    assert sorted(whole.by_key[KEY]) == sorted(
        float(image) / 7 + number
        for number, held_out in enumerate(np.array_split(np.random.default_rng(0).permutation(15), FOLDS))
        for image in held_out
    )
    assert load_bundle(bundle.folder) == bundle, "what is kept lies outside the bundle"


def spoil_text(file: Path) -> None:
    file.write_text(file.read_text()[:-40])


def spoil_score(file: Path) -> None:
    content = json.loads(file.read_text())
    content["done"]["0"]["scores"][KEY][0] += 1
    file.write_text(json.dumps(content))


def leave(_file: Path) -> None:
    pass


@pytest.mark.parametrize(
    ("spoil", "changes"),
    [(spoil_text, {}), (spoil_score, {}), (leave, {"seed": 1}), (leave, {"folds": 3})],
)
def test_what_does_not_fit_is_passed_over(
    bundle: Bundle,
    data_folder: Path,
    trainings: Trainings,
    spoil: Callable[[Path], None],
    changes: dict[str, int],
) -> None:
    """A damaged file, or one of another run, gives no score."""
    run(bundle, data_folder)
    spoil(kept_file(bundle))
    trainings.made.clear()
    assert run(bundle, data_folder, **changes).resumed == 0
    assert len(trainings.made) == changes.get("folds", FOLDS)


def test_other_images_are_another_run(
    bundle: Bundle, data_folder: Path, trainings: Trainings, tmp_path: Path
) -> None:
    """One good image more, and each fold has other images."""
    run(bundle, data_folder)
    data = Path(shutil.copytree(data_folder, tmp_path / "data"))
    shutil.copy(data / "test" / "good" / "100.png", data / "train" / "good")
    shutil.rmtree(data / "test")
    trainings.made.clear()
    assert run(bundle, data).resumed == 0


def test_another_run_costs_nothing_before_its_first_fold(
    bundle: Bundle, data_folder: Path, trainings: Trainings
) -> None:
    """A slip in an option, stopped in time, leaves what hours have given."""
    run(bundle, data_folder)
    trainings.cut_at = 0
    with pytest.raises(KeyboardInterrupt):
        run(bundle, data_folder, seed=1)
    assert run(bundle, data_folder).resumed == FOLDS


def test_a_full_disk_keeps_the_folds_before(
    bundle: Bundle, data_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is one clear error, and nothing half-written is left."""
    write = kept_folds.write_document

    def full_at_third(path: Path, content: Any) -> None:
        if len(content["done"]) == 3:
            path.write_text("half")
            raise NO_SPACE
        write(path, content)

    with monkeypatch.context() as patched:
        patched.setattr(kept_folds, "write_document", full_at_third)
        with pytest.raises(CalibrationError, match=r"No space left on device.*Free space.*goes on after"):
            run(bundle, data_folder)
    assert [path.name for path in bundle.folder.parent.iterdir() if path.is_file()] == ["bundle.folds.json"]
    assert run(bundle, data_folder).resumed == 2


def no_unseen_part(data: Path, bundle: Bundle) -> None:
    used = bundle.manifest.training["images"]
    assert isinstance(used, dict)
    threshold = used["threshold"]
    assert isinstance(threshold, list)
    for image in good_outside_test(read_layout(data)):
        if image.id in threshold:
            image.file.unlink()


@pytest.mark.parametrize(
    ("changes", "harm", "told"),
    [
        ({"vgg19": "nowhere.safetensors"}, None, r"nowhere\.safetensors: not readable"),
        ({"folds": 16}, None, "15 good images are too few for 16 folds"),
        ({"method": "tail"}, None, "no tail from 15 good parts"),
        ({"folds": 2}, None, "15 good images are too few for 2 folds"),
        ({"folds": 3}, no_unseen_part, "no good part that training did not use"),
    ],
)
def test_what_would_fail_in_the_end_fails_at_once(
    bundle: Bundle,
    data_folder: Path,
    trainings: Trainings,
    tmp_path: Path,
    changes: dict[str, Any],
    harm: Callable[[Path, Bundle], None] | None,
    told: str,
) -> None:
    """Before a sibling is trained."""
    data = Path(shutil.copytree(data_folder, tmp_path / "data"))
    if harm is not None:
        harm(data, bundle)
    settings = ThresholdSettings.model_validate({"folds": FOLDS} | changes)
    trainings.cut_at = 0
    with pytest.raises((CalibrationError, WeightsError), match=told):
        choose_from_images(bundle, data, settings)


def test_no_room_is_told_at_once(
    bundle: Bundle, data_folder: Path, trainings: Trainings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a sibling's graph, and for what is kept beside the bundle."""

    def no_room(_folder: object) -> Any:
        return SimpleNamespace(free=1)

    def full(_path: Path, _content: object) -> None:
        raise NO_SPACE

    with monkeypatch.context() as patched:
        patched.setattr(fold_plan.shutil, "disk_usage", no_room)
        with pytest.raises(CalibrationError, match=r"0 MB are free, a sibling's graph takes .* TMPDIR"):
            run(bundle, data_folder)
    monkeypatch.setattr(kept_folds, "write_document", full)
    with pytest.raises(CalibrationError, match="cannot be kept"):
        run(bundle, data_folder)
    assert trainings.made == []
