"""The search for a class's noise rate: short trainings at many rates, ranked by what they detect.

A trial's value is the mean of image and pixel AUROC: one number, because a pruner needs one to compare
unfinished trials by (Optuna prunes no multi-objective study); the mean, because both are shares of ordered
pairs on the same scale, and each is unsteady where the other is not (the image AUROC of a short training
jumps from look to look, the pixel AUROC says little where defects are large). Both are kept beside it. What
they are measured on stands in `noise_ranking`, how they are steadied in `noise_trial`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import TrialState

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.noise_choice import rate_of, trials_of
from inspectd.calibration.noise_plan import DESIGN, NoiseSettings, Plan, plan_search
from inspectd.calibration.noise_record import record_of
from inspectd.calibration.noise_result import NoiseResult, write_result
from inspectd.calibration.noise_storage import (
    NOTE,
    SIGMA,
    Worker,
    check_identity,
    open_study,
    put_back,
)
from inspectd.calibration.noise_trial import RatedTrial, TrainRate, rate_training

if TYPE_CHECKING:
    from optuna.study import Study
    from optuna.trial import Trial

_FAILURES = 3
"""Trials that fail in a row end the search: then it is not the rate."""


@dataclass(frozen=True, slots=True)
class NoiseProgress:
    """`done` of `trials` trials, the one at work counted by its share."""

    done: float
    trials: int
    text: str


ProgressCallback = Callable[[NoiseProgress], None]


def search_noise(
    settings: NoiseSettings, progress: ProgressCallback | None = None, train: TrainRate | None = None
) -> NoiseResult:
    """Search from where the study stands on, and write STUDY/noise.json after each trial.

    `train` stands in for the training. Raises CalibrationError for data or settings that cannot be used or
    differ from the study's, WeightsError for pre-trained weights that do not fit.
    """
    tell = progress or _silent
    tell(NoiseProgress(0, settings.trials, "reading images"))
    plan = plan_search(settings)
    training = settings.training
    train = train or rate_training(plan.recipe, plan.images, plan.schedule, training.vgg19, training.device)
    ends_at = time.monotonic() + 60 * (math.inf if settings.minutes is None else settings.minutes)
    identity = plan.identity()
    with open_study(
        settings.study,
        settings.storage,
        settings.class_name,
        identity,
        looks=plan.schedule.looks * settings.seeds,
        design=DESIGN,
        seed=training.seed,
    ) as study:
        worker = Worker(study)
        for rate in plan.first_rates():
            study.enqueue_trial({SIGMA: rate}, skip_if_exists=True)
        worker.take_back()
        failures = 0
        while time.monotonic() < ends_at and _begun(study) < settings.trials:
            check_identity(study, identity)
            failures = 0 if _run_next(plan, study, worker, train, tell) else failures + 1
            write_result(settings.study, record_of(plan, study))
            if failures == _FAILURES:
                raise CalibrationError(
                    f"{failures} trials in a row failed: {trials_of(study)[-1].note}"
                    " Mend that, then run it again: it goes on."
                )
            worker.take_back()
        result = record_of(plan, study)
        write_result(settings.study, result)
        return result


def _run_next(plan: Plan, study: Study, worker: Worker, train: TrainRate, tell: ProgressCallback) -> bool:
    """Run the next trial; False if it failed."""
    settings = plan.settings
    done = _begun(study)
    trial = study.ask()
    sigma = rate_of(trial.suggest_float(SIGMA, settings.low, settings.high, log=True))

    def show(share: float, text: str) -> None:
        told = f"trial {trial.number}, sigma {sigma:g}, {text}"
        tell(NoiseProgress(min(done + share, settings.trials), settings.trials, told))

    try:
        rated = RatedTrial(trial, worker, plan.schedule, settings.training_seeds, show)
        value = rated.run(train, sigma)
        state = TrialState.PRUNED if value is None else TrialState.COMPLETE
        study.tell(trial, value, state, skip_if_finished=True)
    except CalibrationError as error:
        trial.set_user_attr(NOTE, str(error))
        study.tell(trial, state=TrialState.FAIL)
        return False
    except UpdateFinishedTrialError:
        return True  # this worker was held up for so long that another took its trial
    except BaseException:
        # Ctrl-C, or an error in the program: not the rate's fault.
        _leave(plan, study, trial)
        raise
    return True


def _leave(plan: Plan, study: Study, trial: Trial) -> None:
    own = next(each for each in study.get_trials(deepcopy=False) if each.number == trial.number)
    put_back(study, own, blamed=False)
    write_result(plan.settings.study, record_of(plan, study))


def _begun(study: Study) -> int:
    """Count the trials that are finished or at work; failed ones do not count."""
    states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
    return len(study.get_trials(deepcopy=False, states=states))


def _silent(_: NoiseProgress) -> None:
    """Tell nobody."""
