"""Ways to spoil the data set of `data_set`, each with what the check must find then."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from data_set import other_product, part, write_image
from numpy.typing import NDArray


def overwrite(place: str, pixels: NDArray[np.uint8] | bytes) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        file = folder / place
        if isinstance(pixels, bytes):
            file.write_bytes(pixels)
        else:
            write_image(file, pixels)

    return spoil


def copy(old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(folder / old, folder / new)

    return spoil


def move(old: str, new: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        (folder / new).parent.mkdir(parents=True, exist_ok=True)
        (folder / old).rename(folder / new)

    return spoil


def cut(place: str, share: float = 0.6) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        data = (folder / place).read_bytes()
        (folder / place).write_bytes(data[: int(share * len(data))])

    return spoil


def remove(place: str) -> Callable[[Path], None]:
    return lambda folder: (folder / place).unlink()


def one_mask_for_two(folder: Path) -> None:
    """Another defective part of the same name in validation/."""
    (folder / "validation/spot/350.png").rename(folder / "validation/spot/450.png")
    (folder / "ground_truth/spot/350_mask.png").unlink()


def as_jpeg(folder: Path) -> None:
    """The same picture once more, saved with loss."""
    assert cv2.imwrite(str(folder / "train/good/copy.jpg"), part(7), [cv2.IMWRITE_JPEG_QUALITY, 85])


def cut_jpeg(folder: Path) -> None:
    assert cv2.imwrite(str(folder / "train/good/x.jpg"), part(99))
    cut("train/good/x.jpg")(folder)


ENLARGED, ENLARGED_IN_TEST = (np.asarray(cv2.resize(part(seed), (56, 52)), np.uint8) for seed in (3, 400))
GREY = np.full((48, 48, 3), 90, np.uint8)
SPOILED: dict[str, tuple[Callable[[Path], None], str, str, str]] = {
    "not an image": (overwrite("train/good/003.png", b"no"), "error", "unreadable", "train/good/003.png"),
    "empty file": (overwrite("test/spot/451.png", b""), "error", "cut_off", "test/spot/451.png"),
    "cut png": (cut("train/good/003.png"), "error", "cut_off", "train/good/003.png"),
    "cut jpeg": (cut_jpeg, "error", "cut_off", "train/good/x.jpg"),
    "copy": (copy("train/good/003.png", "train/good/x.png"), "warning", "duplicate", "train/good/x.png"),
    "in test": (
        copy("train/good/003.png", "test/good/x.png"),
        *("error", "train_in_test", "test/good/x.png"),
    ),
    "in validation": (
        copy("train/good/003.png", "validation/good/x.png"),
        *("error", "train_in_validation", "validation/good/x.png"),
    ),
    "validation in test": (
        copy("validation/good/300.png", "test/good/x.png"),
        *("error", "validation_in_test", "test/good/x.png"),
    ),
    "saved anew": (as_jpeg, "warning", "near_duplicate", "train/good/copy.jpg"),
    "size": (
        overwrite("train/good/003.png", ENLARGED),
        *("error", "size", "train/good/003.png"),
    ),
    "size in test": (
        overwrite("test/good/400.png", ENLARGED_IN_TEST),
        *("error", "size", "test/good/400.png"),
    ),
    "another product": (
        overwrite("train/good/033.png", other_product(1)),
        *("warning", "stranger", "train/good/033.png"),
    ),
    "black": (overwrite("test/good/400.png", GREY * 0), "error", "blank", "test/good/400.png"),
    "white": (overwrite("test/good/400.png", GREY * 0 + 255), "error", "blank", "test/good/400.png"),
    "one colour": (overwrite("test/good/400.png", GREY), "error", "blank", "test/good/400.png"),
    "no mask": (remove("ground_truth/spot/451_mask.png"), "warning", "no_mask", "test/spot/451.png"),
    "mask alone": (
        copy("ground_truth/spot/451_mask.png", "ground_truth/spot/9_mask.png"),
        *("warning", "mask_unused", "ground_truth/spot/9_mask.png"),
    ),
    "mask of other size": (
        overwrite("ground_truth/spot/451_mask.png", np.full((20, 48), 255, np.uint8)),
        *("error", "mask_unusable", "ground_truth/spot/451_mask.png"),
    ),
    "damaged mask": (
        overwrite("ground_truth/spot/451_mask.png", b"no"),
        *("error", "mask_unusable", "ground_truth/spot/451_mask.png"),
    ),
    "empty mask": (
        overwrite("ground_truth/spot/451_mask.png", np.zeros((48, 48), np.uint8)),
        *("error", "mask_empty", "ground_truth/spot/451_mask.png"),
    ),
    "one mask for two": (
        one_mask_for_two,
        *("error", "mask_shared", "test/spot/450.png"),
    ),
    "own mask alone": (
        copy("ground_truth/spot/451_mask.png", "validation/ground_truth/spot/9_mask.png"),
        *("warning", "mask_unused", "validation/ground_truth/spot/9_mask.png"),
    ),
    "own masks of an unknown kind": (
        copy("ground_truth/spot/451_mask.png", "test/ground_truth/stop/451_mask.png"),
        *("warning", "unknown_kind", "test/ground_truth/stop"),
    ),
    "full mask": (
        overwrite("ground_truth/spot/451_mask.png", np.full((48, 48), 255, np.uint8)),
        *("warning", "mask_inverted", "ground_truth/spot/451_mask.png"),
    ),
    "masks of an unknown kind": (
        copy("ground_truth/spot/451_mask.png", "ground_truth/stop/451_mask.png"),
        *("warning", "unknown_kind", "ground_truth/stop"),
    ),
    "misspelt kind": (move("test/good", "test/Good"), "error", "misspelt_folder", "test/Good"),
    "misspelt place": (
        copy("train/good/005.png", "tset/good/1.png"),
        *("error", "misspelt_folder", "tset"),
    ),
    "another word": (copy("train/good/003.png", "val/good/1.png"), "error", "misspelt_folder", "val"),
    "beside the kinds": (move("test/good/400.png", "test/400.png"), "error", "layout", "test/400.png"),
    "in train itself": (move("train/good/003.png", "train/003.png"), "error", "misplaced", "train"),
    "defective in train": (
        copy("test/spot/451.png", "train/spot/1.png"),
        *("warning", "ignored", "train/spot"),
    ),
    "deeper": (move("train/good/003.png", "train/good/b/003.png"), "warning", "ignored", "train/good/b"),
    "at the top": (copy("train/good/003.png", "x.png"), "warning", "ignored", "."),
    "elsewhere": (copy("train/good/003.png", "old/x.png"), "warning", "ignored", "old"),
    "unread": (overwrite("train/good/x.heic", b"x"), "warning", "ignored", "train/good"),
    "empty kind": (lambda folder: (folder / "test/dent").mkdir(), "warning", "empty_folder", "test/dent"),
}
