"""What noise rates are ranked by: no image that trains, none for the threshold, none of test/."""

from __future__ import annotations

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from data_set import write_image
from noise_bench import peaked, scripted, settings
from numpy.typing import NDArray

from inspectd.calibration.contents import short_id
from inspectd.calibration.data import load_good, split_good
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.metrics import image_auroc
from inspectd.calibration.noise_plan import Plan, plan_search
from inspectd.calibration.noise_ranking import Figures, look_at, synthetic_ranking, take_for_ranking
from inspectd.calibration.noise_record import _caveat, _maximised  # pyright: ignore[reportPrivateUsage]
from inspectd.calibration.noise_search import search_noise
from inspectd.calibration.noise_trial import rate_training
from inspectd.inference.graph import ScoringGraph
from inspectd.inference.model import EncoderDecoder


def good_files(folder: Path) -> list[Path]:
    return sorted((folder / "train" / "good").iterdir())


def rows(images: NDArray[np.uint8]) -> set[bytes]:
    return {np.asarray(image).tobytes() for image in images}


def good_of(plan: Plan) -> set[bytes]:
    return rows(plan.ranking.images[~plan.ranking.defective])


def test_every_good_image_has_one_purpose(data_folder: Path, tmp_path: Path) -> None:
    """Training, stopping and ranking share none, and the threshold's images are in none of them."""
    plan = plan_search(settings(data_folder, tmp_path))
    good = load_good(data_folder, 32)
    split = split_good(len(good.files), seed=0)
    parts = [rows(plan.images.train), rows(plan.images.stopping), good_of(plan)]
    parts.append(rows(good.images[split.threshold]))
    assert [len(part) for part in parts] == [7, 2, 4, 2]
    assert len(parts[0] | parts[1] | parts[2] | parts[3]) == 15


def test_neither_test_nor_the_thresholds_images_have_any_part(data_folder: Path, tmp_path: Path) -> None:
    """With garbage in their place everything that a trial sees is the same to the last bit."""
    before = plan_search(settings(data_folder, tmp_path))
    spoilt = Path(shutil.copytree(data_folder, tmp_path / "spoilt"))
    for file in [*spoilt.glob("test/*/*.png"), *spoilt.glob("ground_truth/*/*.png")]:
        file.write_bytes(b"garbage")
    split = split_good(len(good_files(spoilt)), seed=0)
    for index in split.threshold:
        cv2.imwrite(str(good_files(spoilt)[int(index)]), np.full((48, 48, 3), 255 - index, np.uint8))
    after = plan_search(settings(spoilt, tmp_path))
    assert np.array_equal(before.images.train, after.images.train)
    assert np.array_equal(before.images.stopping, after.images.stopping)
    assert np.array_equal(before.ranking.images, after.ranking.images)


def test_synthetic_defects_are_the_same_for_every_trial(data_folder: Path) -> None:
    """The same images and seed give the same bits; each defect is seen, and its mask is where it is."""
    good = load_good(data_folder, 32).images[:5]
    first, second = synthetic_ranking(good, 3), synthetic_ranking(good, 3)
    assert np.array_equal(first.images, second.images)
    assert not np.array_equal(first.images, synthetic_ranking(good, 4).images)
    assert first.measured_on == "synthetic"
    assert np.array_equal(first.images[:5], good)
    assert list(first.defective) == [False] * 5 + [True] * 50
    for number in range(5, 55):
        mask = first.masks[number]
        assert mask is not None
        assert mask.sum() >= 4
        changed = np.abs(first.images[number].astype(int) - good[number % 5].astype(int)).max(axis=2)
        assert (changed[mask] >= 10).all()
        assert (changed[~mask] <= 11).all()


def test_images_without_anything_in_them_are_refused() -> None:
    """A defect pasted from one place of a blank image to another is none."""
    assert synthetic_ranking(np.full((4, 32, 32, 3), 90, np.uint8), 0).defective.sum() == 48
    with pytest.raises(CalibrationError, match="no synthetic defect shows"):
        with_blank_tries()


def with_blank_tries() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inspectd.calibration.noise_ranking._VISIBLE", 2.0)
        synthetic_ranking(np.full((4, 32, 32, 3), 90, np.uint8), 0)


def test_too_few_to_train_and_to_rank_are_refused() -> None:
    """Eight are the fewest: four of each."""
    train, ranked = take_for_ranking(np.arange(8), 0)
    assert sorted([*train, *ranked]) == list(range(8))
    assert (len(train), len(ranked)) == (4, 4)
    with pytest.raises(CalibrationError, match="7 good images to train with: too few"):
        take_for_ranking(np.arange(7), 0)


@pytest.fixture
def labelled(data_folder: Path, tmp_path: Path) -> Path:
    """The tiny data set with defects in validation/ as well: other pictures of the parts in test/."""
    folder = Path(shutil.copytree(data_folder, tmp_path / "labelled"))
    another_picture(folder, "spot")
    return folder


def another_picture(folder: Path, kind: str) -> None:
    """Take the parts of test/<kind> once more, into validation/<kind>."""
    for file in sorted((folder / "test" / kind).iterdir()):
        pixels = cv2.imread(str(file))
        assert pixels is not None
        pixels[0, 0] ^= 1
        write_image(folder / "validation" / kind / f"v{file.name}", np.asarray(pixels, np.uint8))
        mask = folder / "ground_truth" / kind / f"{file.stem}_mask.png"
        if mask.exists():
            shutil.copy(mask, mask.with_name(f"v{mask.name}"))


def test_labelled_defects_take_the_place_of_synthetic_ones(labelled: Path, tmp_path: Path) -> None:
    """All of the training part trains then; good images of validation/ count, or those to stop by."""
    plan = plan_search(settings(labelled, tmp_path / "study"))
    assert plan.ranking.measured_on == "validation"
    assert (len(plan.images.train), int(plan.ranking.defective.sum())) == (11, 6)
    assert good_of(plan) == rows(plan.images.stopping)
    assert _maximised(plan).startswith("mean of image and pixel AUROC on labelled images in validation/")
    assert "synthetic" not in _caveat(plan)
    assert "Fewer than 10 good or defective images" in _caveat(plan)
    another_picture(labelled, "good")
    assert len(good_of(plan_search(settings(labelled, tmp_path / "study")))) == 6


@pytest.mark.parametrize("part", ["train", "stopping", "threshold"])
def test_a_copy_of_a_good_image_ranks_nothing(labelled: Path, tmp_path: Path, part: str) -> None:
    """Under another name in validation/good, whatever the good image is for: told by content."""
    another_picture(labelled, "good")
    before = plan_search(settings(labelled, tmp_path / "study"))
    index = int(getattr(split_good(len(good_files(labelled)), seed=0), part)[0])
    shutil.copy(good_files(labelled)[index], labelled / "validation" / "good" / "new.png")
    after = plan_search(settings(labelled, tmp_path / "study"))
    assert np.array_equal(after.ranking.images, before.ranking.images)
    assert (before.left_out, after.left_out) == (0, 1)
    assert "or also in train/ or test/: 1." in _caveat(after)
    assert "left out" not in _caveat(before)
    assert after.identity() == before.identity()


def test_a_copy_of_a_test_image_ranks_nothing(labelled: Path, tmp_path: Path) -> None:
    """Nor does one told of twice; without any other defects they are synthetic."""
    before = plan_search(settings(labelled, tmp_path / "study"))
    for copied in ("test/good/103.png", "test/spot/203.png", "validation/spot/v201.png"):
        new = labelled / "validation" / Path(copied).parent.name / f"x-{Path(copied).name}"
        new.parent.mkdir(exist_ok=True)
        shutil.copy(labelled / copied, new)
    after = plan_search(settings(labelled, tmp_path / "study"))
    assert np.array_equal(after.ranking.images, before.ranking.images)
    assert after.left_out == 3
    for file in (labelled / "validation" / "spot").glob("v*"):
        file.unlink()
    (labelled / "validation" / "spot" / "x-v201.png").unlink()
    plan = plan_search(settings(labelled, tmp_path / "study"))
    assert (plan.ranking.measured_on, plan.left_out, plan.validation) == ("synthetic", 2, ())


def test_a_good_image_among_the_defects_is_refused(labelled: Path, tmp_path: Path) -> None:
    """One of the two labels is wrong; both files are named."""
    shutil.copy(good_files(labelled)[3], labelled / "validation" / "spot" / "x.png")
    with pytest.raises(CalibrationError, match=r"x\.png: has the same content as .*003\.png, once good"):
        plan_search(settings(labelled, tmp_path / "study"))


def test_the_study_names_what_ranked_it(labelled: Path, data_folder: Path, tmp_path: Path) -> None:
    """By content, for the bundle and for evaluate; synthetic defects have no names."""
    result = search_noise(settings(labelled, tmp_path / "a", trials=1), train=scripted(peaked))
    spots = (labelled / "validation" / "spot").iterdir()
    assert result.ranked_by == tuple(sorted(short_id(file) for file in spots))
    result = search_noise(settings(data_folder, tmp_path / "b", trials=1), train=scripted(peaked))
    assert result.ranked_by == ()


def test_defects_without_masks_are_ranked_by_images_alone(labelled: Path, tmp_path: Path) -> None:
    """No pixel AUROC is made up, and the record says which figure was maximised."""
    shutil.rmtree(labelled / "ground_truth")
    plan = plan_search(settings(labelled, tmp_path / "study"))
    assert not plan.ranking.has_pixels
    assert _maximised(plan).startswith("image AUROC on")
    assert "no masks" in _caveat(plan)
    model = EncoderDecoder(plan.recipe.network()).eval()
    figures = look_at(model, 0.1, 0, plan.ranking)
    assert figures.pixel_auroc is None
    assert figures.value == figures.image_auroc


def test_good_images_alone_are_no_labelled_defects(data_folder: Path, tmp_path: Path) -> None:
    """With only good parts in validation/ the search says that its defects are synthetic."""
    folder = Path(shutil.copytree(data_folder, tmp_path / "data"))
    shutil.copytree(folder / "test" / "good", folder / "validation" / "good")
    plan = plan_search(settings(folder, tmp_path / "study"))
    assert plan.ranking.measured_on == "synthetic"
    assert "synthetic defects" in _maximised(plan)
    assert "No labelled defects" in _caveat(plan)
    trained_on_them = plan_search(settings(folder, tmp_path / "study", {"synthetic": 0.5}))
    assert "flatters" in _caveat(trained_on_them)
    assert "flatters" not in _caveat(plan)


def test_a_look_is_of_the_scoring_graph(data_folder: Path, tmp_path: Path) -> None:
    """With the class's noise field in it, and the model left as it was."""
    plan = plan_search(settings(data_folder, tmp_path))
    torch.manual_seed(0)
    model = EncoderDecoder(plan.recipe.network()).eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    figures = look_at(model, 0.2, 5, plan.ranking)
    with torch.inference_mode():
        scores = ScoringGraph(model, 0.2, 5)(torch.from_numpy(plan.ranking.images))[1].double().numpy()
    defective = plan.ranking.defective
    assert figures.image_auroc == pytest.approx(image_auroc(scores[~defective], scores[defective]))
    assert figures.pixel_auroc is not None
    assert figures != look_at(model, 0.4, 5, plan.ranking)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_rate_is_trained_with_for_as_long_as_planned(data_folder: Path, tmp_path: Path) -> None:
    """Looks at the planned steps, then an end, whatever the profile's minutes are; another rate differs."""
    plan = plan_search(settings(data_folder, tmp_path, {"minutes": 1e-6}, steps=80))
    train = rate_training(plan.recipe, plan.images, plan.schedule, "none", "cpu")

    def looks(sigma: float) -> list[tuple[int, Figures]]:
        found: list[tuple[int, Figures]] = []
        steps: list[int] = []

        def on_look(step: int, figures: Figures) -> bool:
            found.append((step, figures))
            return len(found) == 2 and sigma == 0.4

        train(sigma, 0, steps.append, on_look)
        assert steps[-1] == 80
        return found

    quiet, loud = looks(0.1), looks(0.4)
    assert [step for step, _ in quiet] == [step for step, _ in loud] == [40, 80]
    assert quiet[1][1] != loud[1][1]


def test_a_search_trains_and_ranks(data_folder: Path, tmp_path: Path) -> None:
    """From images to a best rate with nothing scripted; the same search gives the same figures."""
    results = [
        search_noise(settings(data_folder, tmp_path / name, trials=1, steps=40)).trials[0] for name in "ab"
    ]
    assert [trial.state for trial in results] == ["complete", "complete"]
    assert results[0].image_auroc == results[1].image_auroc
    assert results[0].pixel_auroc == results[1].pixel_auroc
