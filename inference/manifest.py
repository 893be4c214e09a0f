"""The two documents of a bundle: the immutable manifest and the versioned decision."""

import re
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, JsonValue, ValidationError, model_validator

from inspectd.inference.documents import Document, canonical_json, document_id
from inspectd.inference.errors import BundleError
from inspectd.inference.prepare import Preparation

FORMAT_VERSION = 1

# The graph file that a precision runs from: a CPU computes in bfloat16 from the float32 graph.
GRAPH_OF_PRECISION = {"float32": "float32", "bfloat16": "float32"}

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")


def _inside(name: str) -> str:
    """Accept a plain relative name: a bundle never points out of its own folder."""
    if not _FILE_NAME.fullmatch(name):
        raise ValueError(f"{name!r} is not a plain file name inside the bundle")
    return name


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, AfterValidator(_inside)]


def limits_key(runtime_name: str, precision: str) -> str:
    """Return the key of scores and limits: graph/runtime/precision, as each of them moves the scores."""
    return f"{GRAPH_OF_PRECISION[precision]}/{runtime_name}/{precision}"


class Noise(Document):
    """The class's seeded noise field (Eq. 4), part of the scoring graph."""

    sigma: float = Field(ge=0, le=1, description="standard deviation, image in [0, 1]")
    seed: int = Field(ge=0)


class GoldenFrame(Document):
    """A stored frame with the scores that every runtime must reproduce."""

    file: FileName
    camera_size: bool = Field(description="stored as the camera gave it: passes through preparation first")
    scores: dict[str, float] = Field(description="score by graph/runtime/precision", min_length=1)


class Manifest(Document):
    """What a bundle is: written once at calibration, never changed; its hash is the bundle's id."""

    format_version: Literal[1] = 1
    class_name: str = Field(min_length=1, max_length=64)
    image_size: int = Field(gt=0, description="side S of the graph's input, px")
    model: dict[str, JsonValue] = Field(description="the model's configuration, as calibration built it")
    preparation: Preparation
    noise: Noise
    graphs: dict[str, FileName] = Field(description="ONNX file by graph, e.g. float32")
    golden: tuple[GoldenFrame, ...] = Field(min_length=1)
    tolerance: dict[str, float] = Field(description="largest relative error of a golden score by precision")
    metrics: dict[str, JsonValue]
    training: dict[str, JsonValue] = Field(description="settings of the training run")
    training_data: Sha256
    code_version: str
    vgg19: dict[str, JsonValue] = Field(description="pre-trained weights: source, loaded, missing")
    files: dict[FileName, Sha256] = Field(description="sha256 of every other file of the bundle")

    @model_validator(mode="after")
    def _names_listed_files(self) -> "Manifest":
        named = {*self.graphs.values(), *(frame.file for frame in self.golden)}
        if missing := sorted(named - self.files.keys()):
            raise ValueError(f"names files that `files` does not list: {', '.join(missing)}")
        if "float32" not in self.graphs:
            raise ValueError("has no float32 graph")
        if any(not 0 < value < 1 for value in self.tolerance.values()):
            raise ValueError("a tolerance is not between 0 and 1")
        return self


class Limits(Document):
    """Between which scores a part is good: low_limit <= score < threshold, less the recheck band.

    `recheck` is the part of the threshold just below it in which a part is rechecked (0: no band):
    scores in [threshold * (1 - recheck), threshold).
    """

    threshold: float = Field(gt=0)
    low_limit: float = Field(ge=0)
    recheck: float = Field(default=0.0, ge=0, lt=1)
    pixel_threshold: float | None = Field(
        default=None, gt=0, description="where the anomaly map reaches it, a defect is drawn and measured"
    )

    @model_validator(mode="after")
    def _ordered(self) -> "Limits":
        if self.low_limit >= self.threshold * (1 - self.recheck):
            raise ValueError(
                f"low limit {self.low_limit:g} is not below the threshold {self.threshold:g}"
                f" less its recheck band ({self.recheck:g})"
            )
        return self


class Decision(Document):
    """Which scores are accepted; how, why and by whom that was chosen. Adjusting writes the next version."""

    version: int = Field(ge=1)
    bundle_id: Sha256
    parent: Sha256 | None = Field(description="hash of the version before, none for the first")
    limits: dict[str, Limits] = Field(min_length=1, description="limits by graph/runtime/precision")
    provisional: str = Field(default="", description="what its sample does not support; empty: complete")
    reserved: tuple[str, ...] = Field(
        default=(), description="ids of test images that the limits were chosen by: not to be measured on"
    )
    chosen_by: tuple[str, ...] = Field(
        default=(), description="ids of all images that limits were ever chosen by: not to be measured on"
    )
    how: str = Field(min_length=1)
    why: str = Field(min_length=1)
    by: str = Field(min_length=1, description="role or user name")
    decided_at: str = Field(description="wall clock, ISO 8601, UTC")

    @model_validator(mode="after")
    def _has_parent(self) -> "Decision":
        if (self.version == 1) != (self.parent is None):
            raise ValueError("the first version has no parent, every later one has")
        return self

    def to_json(self) -> dict[str, Any]:
        """Return the document with its own hash in it."""
        content = self.model_dump(mode="json")
        return {**content, "sha256": document_id(content)}


_Parsed = TypeVar("_Parsed", bound=Document)


def parse_manifest(path: Path, content: dict[str, Any]) -> Manifest:
    """Check a manifest's content, format version first. Raises BundleError naming file and remedy."""
    version = content.get("format_version")
    if version != FORMAT_VERSION:
        raise BundleError(
            f"{path}: format version {version!r}, this program reads {FORMAT_VERSION}."
            " Calibrate again, or install the matching program."
        )
    return _parse(path, content, Manifest)


def parse_decision(path: Path, content: dict[str, Any]) -> tuple[Decision, str]:
    """Check a decision's content and its own hash; return it with that hash.

    Raises BundleError naming the file and the remedy.
    """
    content = dict(content)
    stated = content.pop("sha256", None)
    actual = document_id(content)
    if stated != actual:
        raise BundleError(
            f"{path}: its content does not match its own hash, it was changed by hand."
            " Go back to the version before, or adjust the threshold by the command."
        )
    return _parse(path, content, Decision), actual


def _parse(path: Path, content: dict[str, Any], kind: type[_Parsed]) -> _Parsed:
    try:
        # JSON's lists stand for tuples; strictness of numbers and texts stays.
        return kind.model_validate_json(canonical_json(content))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "document"
        raise BundleError(
            f"{path}: {where}: {first['msg']}. Calibrate again or reinstall the bundle."
        ) from error
