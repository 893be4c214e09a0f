"""A bundle without training: its graph takes darkness for anomaly, so that the dark spots stand out."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
import onnx

from inspectd.calibration.data import load_good, split_good
from inspectd.calibration.history import BatchFrom, HeldOut, History, history_file, write_history
from inspectd.inference.bundle import file_hashes, write_bundle
from inspectd.inference.manifest import GoldenFrame, Limits, Manifest, Noise
from inspectd.inference.prepare import learn_preparation

SIDE = 32
KEY = "float32/openvino/float32"
STEPS = 60

_helper = cast("Any", onnx.helper)


def write_dark_bundle(folder: Path, data: Path, class_name: str, *, mixed_sizes: bool = False) -> Path:
    """Write a bundle of `class_name` for the disks in `data`, the history of a training beside it."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    good = load_good(data, SIDE, mixed_sizes=mixed_sizes)
    graph_file, golden_file = folder.with_name("graph.onnx"), folder.with_name("golden.png")
    graph_file.write_bytes(_darkness().SerializeToString(deterministic=True))
    cv2.imwrite(str(golden_file), good.images[0])
    split = split_good(len(good.ids), 0)
    parts = {name: getattr(split, name) for name in ("train", "stopping", "threshold")}
    images = {name: [good.ids[int(index)] for index in part] for name, part in parts.items()}
    per_kind = [{"name": "spot", "images": 6, "image_auroc": 1.0}]
    test = {"image_auroc": 1.0, "pixel_auroc": 0.99, "good": 6, "defective": 6, "per_kind": per_kind}
    files = {"float32.onnx": graph_file, "golden.png": golden_file}
    manifest = Manifest(
        class_name=class_name,
        image_size=SIDE,
        model={"dim": 16},
        preparation=learn_preparation(list(good.images), good.camera_size),
        noise=Noise(sigma=0.1, seed=0),
        graphs={"float32": "float32.onnx"},
        golden=(GoldenFrame(file="golden.png", camera_size=False, scores={KEY: 0.5}),),
        tolerance={"float32": 1e-3},
        metrics={"steps": STEPS, "held_out_loss": 0.1, "test": test},  # pyright: ignore[reportArgumentType]  JSON
        training={"profile": "quick", "sigma": 0.1, "images": images},  # pyright: ignore[reportArgumentType]  JSON
        training_data=good.sha256,
        code_version="0.1.0",
        vgg19={"source": "none", "loaded": [], "missing": []},
        files=file_hashes(files),
    )
    limits = {KEY: Limits(threshold=0.8, low_limit=0.1, recheck=0.05)}
    write_bundle(folder, manifest, files, limits, how="by hand", why="first calibration", by="ann")
    history_file(folder).parent.mkdir()
    write_history(history_file(folder), _history())
    return folder


def _history() -> History:
    return History(
        losses=tuple(float(loss) for loss in np.geomspace(1.0, 0.1, STEPS)),
        held_out=(HeldOut(step=20, loss=0.6), HeldOut(step=40, loss=0.3)),
        best_step=40,
        steps=STEPS,
        images=11,
        epochs=30.0,
        seconds=12.0,
        ended="epochs",
        batches=(BatchFrom(step=0, batch=8), BatchFrom(step=30, batch=4)),
        device="cpu",
        precision="float32",
    )


def _darkness() -> Any:
    """A scoring graph: map = 1 - mean of the channels, score = its maximum, reconstruction = the image."""
    make = _helper.make_node
    constants = {
        "full": np.float32(255),
        "one": np.float32(1),
        "channels": np.array([3]),
        "plane": np.array([1, 2]),
    }
    nodes = [
        make("Cast", ["image"], ["pixels"], to=onnx.TensorProto.FLOAT),
        make("Div", ["pixels", "full"], ["light"]),
        make("ReduceMean", ["light", "channels"], ["grey"], keepdims=0),
        make("Sub", ["one", "grey"], ["anomaly_map"]),
        make("ReduceMax", ["anomaly_map", "plane"], ["score"], keepdims=0),
        make("Identity", ["image"], ["reconstruction"]),
    ]
    byte, real = onnx.TensorProto.UINT8, onnx.TensorProto.FLOAT
    value = _helper.make_tensor_value_info
    outputs = [
        value("anomaly_map", real, ["N", SIDE, SIDE]),
        value("score", real, ["N"]),
        value("reconstruction", byte, ["N", SIDE, SIDE, 3]),
    ]
    weights = [
        cast("Any", onnx.numpy_helper).from_array(np.asarray(each), name) for name, each in constants.items()
    ]
    graph = _helper.make_graph(
        nodes, "darkness", [value("image", byte, ["N", SIDE, SIDE, 3])], outputs, weights
    )
    model = _helper.make_model(graph, opset_imports=[_helper.make_opsetid("", 18)])
    model.ir_version = 10
    return model
