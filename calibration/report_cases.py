"""The parts to look at in a report: the worst false rejects and misses, or the closest calls."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.calibration.data import read_mask, read_pixels
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.report_facts import number, percent
from inspectd.calibration.report_page import Case, Gallery, Picture, Section, Text

if TYPE_CHECKING:
    from inspectd.calibration.evaluate_report import EvaluateReport, ImageResult
    from inspectd.calibration.report_page import Block
    from inspectd.calibration.scoring import ImageScorer
    from inspectd.inference.manifest import Limits

U8 = NDArray[np.uint8]

SMALLEST, LARGEST = 160, 256
"""Sides of a picture, px: smaller models' are enlarged by a whole factor, larger ones' reduced."""
_CLOSEST = 3
_JPEG_QUALITY = 85
_HEAT_TOP = 2.0
"""The heat map's brightest colour, in units of the threshold."""
_OUTLINE_GAP = 5


def cases_section(report: EvaluateReport, limits: Limits, scorer: ImageScorer, most: int) -> Section:
    """Score the parts to look at once more and return their pictures, at most `most` of each sort."""
    good = [each for each in report.per_image if not each.defective]
    defective = [each for each in report.per_image if each.defective]
    blocks: list[Block] = [
        Text(
            "Each part as the model saw it, as the model reconstructed it, and the anomaly map: black where"
            f" both agree, light yellow at {_HEAT_TOP:g} times the threshold"
            f" ({number(_HEAT_TOP * limits.threshold)}) and above. Where there is a mask of the truth, it is"
            " outlined."
        )
    ]

    def gallery(title: str, text: str, chosen: Sequence[ImageResult]) -> Gallery:
        return Gallery(title, text, [_case(each, limits, scorer) for each in chosen])

    rejected = sorted((each for each in good if each.verdict != "ACCEPT"), key=lambda each: -each.score)
    missed = sorted((each for each in defective if each.verdict == "ACCEPT"), key=lambda each: each.score)
    if rejected:
        text = f"Good parts that are not accepted: {len(rejected)} of {len(good)}{_shown(rejected, most)}."
        blocks.append(gallery("Worst false rejects", text, rejected[:most]))
    elif good:
        closest = sorted(good, key=lambda each: -each.score)[:_CLOSEST]
        text = f"All {len(good)} good parts are accepted. These come closest to the threshold."
        blocks.append(gallery("No false rejects; the closest calls", text, closest))
    if missed:
        text = f"Defective parts that are accepted: {len(missed)} of {len(defective)}{_shown(missed, most)}."
        blocks.append(gallery("Worst misses", text, missed[:most]))
    elif defective:
        closest = sorted(defective, key=lambda each: each.score)[:_CLOSEST]
        text = f"None of {len(defective)} defective parts is accepted. These come closest."
        blocks.append(gallery("No misses; the closest calls", text, closest))
    blocks += [
        Text(f"No {name} part is among the test images.", "missing")
        for name, some in (("good", good), ("defective", defective))
        if not some
    ]
    return Section("cases", "Worst false rejects and misses", blocks)


def _shown(parts: Sequence[ImageResult], most: int) -> str:
    return f"; the {most} worst are shown" if len(parts) > most else ""


def _case(result: ImageResult, limits: Limits, scorer: ImageScorer) -> Case:
    pixels = read_pixels(Path(result.file))
    scored = scorer.score(pixels, result.file)
    outline = None if result.mask is None else read_mask(result.mask, (pixels.shape[0], pixels.shape[1]))
    name = Path(result.file).name
    heat = np.clip(scored.anomaly_map / (_HEAT_TOP * limits.threshold), 0, 1)
    colours = cv2.applyColorMap((heat * 255).astype(np.uint8), cv2.COLORMAP_INFERNO)
    rgb = np.asarray(cv2.cvtColor(colours, cv2.COLOR_BGR2RGB), np.uint8)
    pictures = (
        Picture(_jpeg(_outlined(_sized(scored.image), outline)), f"{name}, {result.kind}: input", "Input"),
        Picture(_jpeg(_sized(scored.reconstruction)), f"{name}: reconstruction", "Reconstruction"),
        Picture(_jpeg(_outlined(_sized(rgb), outline)), f"{name}: anomaly map", "Anomaly map"),
    )
    return Case(f"{name}, {result.kind}", _note(result, limits), pictures)


def _note(result: ImageResult, limits: Limits) -> str:
    away = result.score / limits.threshold - 1
    relation = "over" if away >= 0 else "under"
    text = f"Score {number(result.score)}, {percent(abs(away))} {relation} the threshold: {result.verdict}"
    if result.reason not in {"NONE", "OVER_THRESHOLD"}:
        text += f" ({result.reason}{': ' + '; '.join(result.unfit) if result.unfit else ''})"
    return text + "."


def _sized(image: U8) -> U8:
    """Bring an image, uint8 RGB [S, S, 3], to a side from SMALLEST to LARGEST."""
    side = image.shape[0]
    if side > LARGEST:
        return np.asarray(cv2.resize(image, (LARGEST, LARGEST), interpolation=cv2.INTER_AREA), np.uint8)
    factor = -(-SMALLEST // side)
    return np.repeat(np.repeat(image, factor, axis=0), factor, axis=1)


def _outlined(image: U8, mask: NDArray[np.bool_] | None) -> U8:
    """Draw the mask's outline, bool [H, W], white in black so that it shows on anything, a little outside."""
    if mask is None:
        return image
    side = image.shape[0]
    # The mean over an area, not the nearest pixel: a scratch of one pixel must not vanish.
    share = cv2.resize(mask.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA)
    disk = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _OUTLINE_GAP + 1,) * 2)
    grown = cv2.dilate((share > 0).astype(np.uint8), disk)
    contours, _ = cv2.findContours(grown, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    drawn = np.array(image, np.uint8)
    for colour, thickness in (((0, 0, 0), 4), ((255, 255, 255), 2)):
        cv2.drawContours(drawn, contours, -1, colour, thickness, cv2.LINE_AA)
    return drawn


def _jpeg(image: U8) -> bytes:
    """Encode uint8 RGB [H, W, 3]."""
    quality = (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY)
    done, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)
    if not done:
        raise CalibrationError("report: OpenCV could not encode a picture as JPEG. Reinstall OpenCV.")
    return data.tobytes()
