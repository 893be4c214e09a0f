"""The ablations by flag: each is the model it says, and runs as a graph as it does in torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType]  its PathLike is bare
from training_bench import images, recipe

from inspectd.calibration.fit import fit
from inspectd.inference.export import export_onnx, load_graph_from_onnx
from inspectd.inference.graph import ScoringGraph
from inspectd.inference.model import EncoderDecoder, parameter_count
from inspectd.inference.runtime import RuntimeSettings, open_runtime

ABLATIONS: dict[str, dict[str, Any]] = {
    "no noise": {"sigma": 0.0},
    "no skips": {"skips": "none"},
    "no pyramid": {"pyramid": False},
    "frozen vgg": {"freeze_vgg": True},
}
PAPER_COUNTS = {
    "no noise": 9_032_803,
    "frozen vgg": 9_032_803,
    "no skips": 9_032_803
    # Attention, its norm and reduction, and the 3x3 convolution, for 64 channels and R = 8, 128 and R = 4,
    - (64 * 64 * 8 * 8 + 64 + 2 * 64 + 4 * (64 * 64 + 64) + 64 * 64 * 9 + 64)
    - (128 * 128 * 4 * 4 + 128 + 2 * 128 + 4 * (128 * 128 + 128) + 128 * 128 * 9 + 128)
    # and what the decoder's convolutions to 128, 64 and 32 channels take of the skips.
    - 9 * (256 * 128 + 128 * 64 + 64 * 32),
    # A 2x2 convolution of the image's 3 channels and the 1x1 projection of twice the block's, for each block.
    "no pyramid": 9_032_803 - sum(3 * 4 * c + c + 2 * c * c + c for c in (64, 128, 256)),
}


@pytest.mark.parametrize("name", ABLATIONS)
def test_parameters_of_each_ablation(name: str) -> None:
    """At the paper's size, by hand: what is left out is exactly that."""
    wide = recipe(widths=(64, 128, 256), dim=512, **ABLATIONS[name])
    size = wide.model_copy(update={"image_size": 224})
    model = EncoderDecoder(size.network())
    assert parameter_count(model) == PAPER_COUNTS[name]


@pytest.mark.system
@pytest.mark.parametrize("name", ABLATIONS)
def test_each_ablation_runs_as_a_graph(name: str, tmp_path: Path) -> None:
    """OpenVINO scores as torch does, and the file says which ablation it is."""
    chosen = recipe(**ABLATIONS[name])
    torch.manual_seed(1)
    graph = ScoringGraph(EncoderDecoder(chosen.network()), chosen.sigma * chosen.test_noise, seed=3).eval()
    export_onnx(graph, tmp_path / "graph.onnx")
    assert load_graph_from_onnx(tmp_path / "graph.onnx").model.config == chosen.network()
    assert (graph.noise is None) == (name == "no noise")
    batch = images(2)
    with torch.inference_mode():
        expected = graph(torch.from_numpy(batch))[1].numpy()
    runtime = open_runtime(RuntimeSettings(), tmp_path / "graph.onnx", 32)
    try:
        found = np.array([runtime.infer(image[np.newaxis]).score[0] for image in batch])
    finally:
        runtime.close()
    assert found == pytest.approx(expected, rel=1e-3)


def test_frozen_layers_stay_as_loaded_and_missing_ones_are_trained(tmp_path: Path) -> None:
    """A file of the first layer alone: that one does not move, every other convolution does."""
    file = tmp_path / "first.safetensors"
    first = torch.randn(64, 3, 3, 3, generator=torch.Generator().manual_seed(1)) / 5
    save_file({"features.0.weight": first, "features.0.bias": torch.zeros(64)}, file)
    chosen = recipe(widths=(64, 128, 256), epochs=1, batch=4, freeze_vgg=True, image_size=32)
    every = images(6)
    fitted = fit(chosen, every[:4], every[4:], 0, file, device="cpu")
    torch.manual_seed(0)
    untrained = EncoderDecoder(chosen.network()).state_dict()
    for name, tensor in fitted.model.state_dict().items():
        if name.startswith("blocks.") and name.endswith("weight"):
            if name == "blocks.0.convs.0.weight":
                assert torch.equal(tensor, first)
            else:
                assert not torch.equal(tensor, untrained[name]), name
