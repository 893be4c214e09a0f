"""What the line calls for each frame: prepare, check fitness, score. One engine per class and camera view."""

import math
import time
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from inspectd.inference.bundle import Bundle, load_bundle
from inspectd.inference.errors import BundleError, EngineError, SelfTestError
from inspectd.inference.manifest import GoldenFrame, Limits, limits_key
from inspectd.inference.prepare import Preparer
from inspectd.inference.runtime import Inference, Runtime, RuntimeSettings, open_runtime


@dataclass(frozen=True, slots=True)
class Judged:
    """What the engine found in one frame. Times in ms.

    `unfit` says why the frame must not be judged; then `score` is NaN and map and reconstruction are None.
    Otherwise `score` is finite, `anomaly_map` float32 [S, S], `reconstruction` uint8 [S, S, 3].
    `image` is the prepared uint8 RGB [S, S, 3], None if the frame has the wrong size.
    """

    score: float
    unfit: tuple[str, ...]
    anomaly_map: NDArray[np.float32] | None
    reconstruction: NDArray[np.uint8] | None
    image: NDArray[np.uint8] | None
    prepare_ms: float
    engine_ms: float


class Engine:
    """A bundle on a runtime. Used from one thread, by one camera view (it remembers the frame before)."""

    def __init__(self, bundle: Bundle, runtime: Runtime) -> None:
        """Raise BundleError if the bundle has no limits for this runtime and precision."""
        self._bundle = bundle
        self._runtime = runtime
        self._preparer = self._new_preparer()
        self.class_name = bundle.manifest.class_name
        self.bundle_id = bundle.bundle_id
        self.decision_id = bundle.decision_id
        self.runtime_name = runtime.name
        self.precision = runtime.precision
        self.provisional = bundle.decision.provisional
        self.limits_key = limits_key(runtime.name, runtime.precision)
        self.limits: Limits = bundle.limits(runtime.name, runtime.precision)

    def judge(self, pixels: NDArray[np.uint8]) -> Judged:
        """Score one frame, uint8 RGB [H, W, 3]. A bad frame is unfit, never an exception.

        Raises EngineError if inference fails or its result is not finite.
        """
        started = time.monotonic()
        prepared = self._preparer.prepare(pixels)
        ready = time.monotonic()
        prepare_ms = (ready - started) * 1e3
        image = None if prepared.image is None else prepared.image[0]
        if prepared.image is None or prepared.unfit:
            return Judged(math.nan, prepared.unfit, None, None, image, prepare_ms, 0.0)
        result = self._infer(prepared.image)
        return Judged(
            score=float(result.score[0]),
            unfit=(),
            anomaly_map=result.anomaly_map[0],
            reconstruction=result.reconstruction[0],
            image=image,
            prepare_ms=prepare_ms,
            engine_ms=(time.monotonic() - ready) * 1e3,
        )

    def self_test(self) -> None:
        """Score the golden frames.

        Raises SelfTestError if one misses its stored score or cannot be scored, EngineError if the bundle has
        none for this runtime and precision.
        """
        key = self.limits_key
        tolerance = self._bundle.manifest.tolerance.get(self.precision)
        if tolerance is None:
            raise EngineError(f"{self._bundle.folder}: no tolerance for {self.precision}. Calibrate again.")
        for frame in self._bundle.manifest.golden:
            expected = frame.scores.get(key)
            if expected is None:
                raise EngineError(
                    f"{self._bundle.folder / frame.file}: no score for {key}. Calibrate for it."
                )
            try:
                score = self._golden_score(frame)
            except EngineError as error:
                raise SelfTestError(str(error)) from error
            if not abs(score - expected) <= tolerance * abs(expected):
                raise SelfTestError(
                    f"self-test of {self._bundle.folder}: {frame.file} scores {score:.6g} on {key},"
                    f" expected {expected:.6g} within {tolerance:.2%}."
                    " Use another precision or runtime, or calibrate on this machine."
                )

    def close(self) -> None:
        """Release the runtime. Idempotent as the runtime's own close."""
        self._runtime.close()

    def _golden_score(self, frame: GoldenFrame) -> float:
        path = self._bundle.folder / frame.file
        pixels = read_image(path)
        if pixels is None:
            raise EngineError(f"{path}: cannot be read as an image. Install the bundle again.")
        if not frame.camera_size:
            return float(self._infer(pixels[np.newaxis]).score[0])
        # A preparer of its own: the line's own must not take a golden frame for the frame before.
        prepared = self._new_preparer().prepare(pixels)
        if prepared.image is None or prepared.unfit:
            raise EngineError(f"self-test: {path} is not fit to judge: {'; '.join(prepared.unfit)}.")
        return float(self._infer(prepared.image).score[0])

    def _infer(self, image: NDArray[np.uint8]) -> Inference:
        result = self._runtime.infer(image)
        # The maximum over a map may skip NaN, so the map is checked as well as its maximum.
        if not (np.isfinite(result.score).all() and np.isfinite(result.anomaly_map).all()):
            raise EngineError(
                f"{self.runtime_name} {self.precision}: score or anomaly map is not finite."
                " Run the self-test; if it passes, keep this frame and report it."
            )
        return result

    def _new_preparer(self) -> Preparer:
        return Preparer(self._bundle.manifest.preparation, self._bundle.manifest.image_size)


def open_engine(folder: Path, settings: RuntimeSettings) -> Engine:
    """Load a bundle, open a runtime on it, warm it up and test it against the golden frames.

    Raises BundleError if the bundle does not load, is changed while it is being opened or has no limits for
    the runtime, EngineError if the runtime fails, SelfTestError if it does not reproduce the golden scores.
    """
    bundle = load_bundle(folder)
    size = bundle.manifest.image_size
    bundle.limits(settings.name, settings.precision)
    runtime = open_runtime(settings, bundle.graph_file(settings.precision), size)
    try:
        engine = Engine(bundle, runtime)
        runtime.infer(np.zeros((1, size, size, 3), np.uint8))
        engine.self_test()
        _check_unchanged(bundle)
    except BaseException:
        runtime.close()
        raise
    return engine


def _check_unchanged(bundle: Bundle) -> None:
    """Hold a bundle's files against what was loaded from them first.

    The runtime reads its graph after the hashes were checked: where files are exchanged at that moment, one
    bundle's graph would judge by another one's limits.
    """
    found = load_bundle(bundle.folder)
    if (found.bundle_id, found.decision_id) != (bundle.bundle_id, bundle.decision_id):
        raise BundleError(
            f"{bundle.folder}: was changed while it was being opened: bundle {bundle.bundle_id[:12]},"
            f" decision {bundle.decision_id[:12]}, then {found.bundle_id[:12]}, {found.decision_id[:12]}."
            " Open it again; exchange bundles with inspectd model install."
        )


def read_image(path: Path) -> NDArray[np.uint8] | None:
    """Return an image file as uint8 RGB [H, W, 3], or None if it is not one."""
    pixels = cv2.imread(str(path), cv2.IMREAD_COLOR)
    return None if pixels is None else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), np.uint8)
