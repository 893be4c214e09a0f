"""When a training ends, what it does where memory ends, and what an interruption leaves."""

from __future__ import annotations

import math

import pytest
import torch
from training_bench import Kept, nobody, recipe, trainer

from inspectd.calibration import trainer as trainer_module
from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.learner import Learner
from inspectd.calibration.trainer import Progress, Trainer


def script_held_out(monkeypatch: pytest.MonkeyPatch, losses: dict[int, float]) -> None:
    """Let every step measure the held-out loss of this script; 1 where it has none."""
    monkeypatch.setattr(trainer_module, "CHECK_STEPS", 1)

    def measure(self: Trainer) -> float:
        return losses.get(self.step, 1.0)

    monkeypatch.setattr(Trainer, "_measure", measure)


def ended(monkeypatch: pytest.MonkeyPatch, losses: dict[int, float], **changes: object) -> tuple[str, int]:
    """How and at which step a training ends; three steps are two epochs."""
    script_held_out(monkeypatch, losses)
    early = trainer(recipe(stop_after_epochs=8, patience_epochs=4, epochs=40, **changes))
    early.run(nobody, nobody)
    return early.history().ended, early.step


def test_early_stopping_waits_for_its_patience_after_it_is_active(monkeypatch: pytest.MonkeyPatch) -> None:
    """No improvement ever: active from epoch 8 (step 12), it ends 4 epochs (6 steps) later."""
    assert ended(monkeypatch, {}) == ("early stopping", 18)


def test_an_improvement_starts_the_patience_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last of two improvements, at step 22, is followed by 6 steps; an equal loss is none."""
    assert ended(monkeypatch, {16: 0.8, 22: 0.7, 25: 0.7}) == ("early stopping", 28)


def test_improvements_before_it_is_active_do_not_end_it_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best loss of all at step 2: nothing ends before epoch 12."""
    assert ended(monkeypatch, {2: 0.1}) == ("early stopping", 18)


def test_epochs_end_a_training_that_goes_on_improving(monkeypatch: pytest.MonkeyPatch) -> None:
    """40 epochs of 12 images in batches of 8."""
    assert ended(monkeypatch, {step: 1 / step for step in range(1, 100)}) == ("epochs", 60)


def test_the_weights_of_the_best_held_out_loss_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the step with the least loss, not the last ones."""
    weights: dict[int, torch.Tensor] = {}
    script_held_out(monkeypatch, {7: 0.5, 9: 0.6})
    best = trainer(recipe(stop_after_epochs=8, patience_epochs=4, average=False))

    def look(step: int, model: torch.nn.Module) -> bool:
        weights[step] = next(model.parameters()).detach().clone()
        return False

    best.run(nobody, nobody, look)
    assert best.history().best_step == 7
    assert torch.equal(next(best.model.parameters()), weights[7])
    assert not torch.equal(weights[7], weights[8])


@pytest.fixture
def little_memory(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    """Memory ends, at the steps that a test writes in here, with more images than it allows."""
    most: dict[int, int] = {}
    usual = Learner.loss

    def loss(self: Learner, clean: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        value = usual(self, clean, noisy)
        if torch.is_grad_enabled() and len(clean) > most.get(self.step, 8):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nand more")
        return value

    monkeypatch.setattr(Learner, "loss", loss)
    return most


def test_out_of_memory_halves_the_batch_and_goes_on(little_memory: dict[int, int]) -> None:
    """At step 10 two images are left of eight: told once, recorded, and every image still seen as often."""
    little_memory[10] = 2
    told: list[Progress] = []
    halved, usual = trainer(recipe()), trainer(recipe())
    halved.run(nobody, told.append)
    little_memory.clear()
    usual.run(nobody, nobody)
    assert halved.losses[:10] == usual.losses[:10]
    history = halved.history()
    assert [(each.step, each.batch) for each in history.batches] == [(0, 8), (10, 4), (10, 2)]
    assert [(each.step, each.message) for each in told if each.message] == [
        (11, "out of memory with a batch of 8: goes on with 2 images")
    ]
    assert (history.steps, history.epochs, history.ended) == (10 + 160 // 2, 20.0, "epochs")
    assert halved.losses[-1] < 0.9 * halved.losses[0]


def test_a_run_resumed_after_memory_ended_is_the_same(little_memory: dict[int, int]) -> None:
    """The checkpoint right after it holds batch and position: all later losses are the same."""
    little_memory[10] = 4
    whole, cut, resumed = trainer(recipe()), trainer(recipe()), trainer(recipe())
    whole.run(nobody, nobody)
    kept = Kept()

    def cut_at_step_13(progress: Progress) -> None:
        if progress.step == 13:
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError, match="cut"):
        cut.run(kept, cut_at_step_13)
    assert kept.steps == [11]
    assert kept.last is not None
    little_memory.clear()
    resumed.restore(kept.last)
    assert (resumed.step, resumed.batch, resumed.steps) == (11, 4, whole.step)
    resumed.run(nobody, nobody)
    assert resumed.losses == whole.losses
    assert resumed.held_out == whole.held_out


def test_one_image_that_does_not_fit_is_an_error(little_memory: dict[int, int]) -> None:
    """There is nothing left to halve: what, where, remedy."""
    little_memory[3] = 0
    with pytest.raises(CalibrationError, match=r"step 3 with a single image of 32 px on cpu.*smaller --size"):
        trainer(recipe()).run(nobody, nobody)


@pytest.mark.parametrize(
    ("error", "halved"),
    [
        (MemoryError(), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
    ],
)
def test_only_want_of_memory_halves_the_batch(
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
    halved: bool,  # noqa: FBT001  a parameter of the table
) -> None:
    """Of the computer as well as of a GPU; any other error stays what it is."""
    usual = Learner.loss

    def loss(self: Learner, clean: torch.Tensor, noisy: torch.Tensor) -> torch.Tensor:
        if len(clean) == 8:
            raise error
        return usual(self, clean, noisy)

    monkeypatch.setattr(Learner, "loss", loss)
    tried = trainer(recipe(epochs=1))
    if halved:
        tried.run(nobody, nobody)
        assert tried.batch == 4
    else:
        with pytest.raises(RuntimeError, match="mat1"):
            tried.run(nobody, nobody)


def test_an_interruption_between_two_steps_keeps_the_step_just_made() -> None:
    """Also before the first held-out loss is known; resumed, all losses are those of an uninterrupted run."""
    whole, cut, resumed = trainer(recipe()), trainer(recipe()), trainer(recipe())
    whole.run(nobody, nobody)
    kept = Kept()

    def stop_at_step_7(progress: Progress) -> None:
        if progress.step == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cut.run(kept, stop_at_step_7)
    assert kept.steps == [7]
    assert kept.last is not None
    resumed.restore(kept.last)
    assert math.isnan(resumed.held_out_loss)
    resumed.run(nobody, nobody)
    assert resumed.losses == whole.losses
    assert resumed.held_out == whole.held_out


def test_a_training_that_is_over_stays_so() -> None:
    """Resumed from its last checkpoint it makes no step and holds the same weights."""
    whole, resumed = trainer(recipe()), trainer(recipe())
    kept = Kept()
    whole.run(kept, nobody)
    assert kept.last is not None
    resumed.restore(kept.last)
    resumed.run(nobody, nobody)
    assert resumed.losses == whole.losses
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(resumed.model.state_dict()[name], tensor), name


def test_a_checkpoint_of_something_else_is_refused() -> None:
    """Of another network, or without what a step depends on: an error with a remedy, not a traceback."""
    kept = Kept()
    trainer(recipe(epochs=1)).run(kept, nobody)
    assert kept.last is not None
    with pytest.raises(CalibrationError, match="--no-resume"):
        trainer(recipe(widths=(16, 8, 8))).restore(kept.last)
    del kept.last.state["seen"]
    with pytest.raises(CalibrationError, match="--no-resume"):
        trainer(recipe()).restore(kept.last)


@pytest.mark.parametrize(("every_s", "steps"), [(1e9, [40, 90]), (0.0, [40, 80, 90])])
def test_checkpoints_are_as_frequent_as_they_are_wanted(
    monkeypatch: pytest.MonkeyPatch, every_s: float, steps: list[int]
) -> None:
    """After the first look, then after those that come late enough, and at the end."""
    monkeypatch.setattr(trainer_module, "SAVE_EVERY_S", every_s)
    kept = Kept()
    trainer(recipe(epochs=60)).run(kept, nobody)
    assert kept.steps == steps
