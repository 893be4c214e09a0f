"""What a choice of limits is asked for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from inspectd.calibration.labelled import DEFECT_RATE, Costs
from inspectd.calibration.rates import CONFIDENCE
from inspectd.calibration.threshold import FALSE_REJECT_RATE

Method = Literal["quantile", "tail", "best-f1", "least-cost", "no-misses"]
NEEDS_DEFECTS = ("best-f1", "least-cost", "no-misses")


class ThresholdSettings(BaseModel):
    """How limits are chosen. Rates are shares of parts, 0 to 1; costs in any one unit."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Method = "quantile"
    false_reject_rate: float = Field(default=FALSE_REJECT_RATE, gt=0, lt=0.5)
    confidence: float = Field(default=CONFIDENCE, ge=0.5, lt=1, description="of every interval and limit")
    folds: int = Field(default=0, ge=0, le=50, description="sibling models for k-fold scores; 0: none")
    vgg19: str | None = Field(default=None, description="the siblings' pre-trained weights")
    seed: int = Field(default=0, ge=0, description="of folds, of the reserved half, of resamples")
    escape_cost: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    false_reject_cost: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    defect_rate: float | None = Field(default=None, gt=0, lt=1, description="of production, for least-cost")
    reserve_test: bool = Field(default=False, description="take a seeded half of test/ to choose by")
    recheck: float | None = Field(
        default=None, ge=0, lt=0.9, description="width of the band, share of the threshold; None: as before"
    )
    recheck_rate: float = Field(default=0.0, ge=0, lt=0.5, description="good parts sent to recheck")

    @model_validator(mode="after")
    def _fits_together(self) -> ThresholdSettings:
        costs = (self.escape_cost, self.false_reject_cost, self.defect_rate)
        if self.method == "least-cost" and None in costs[:2]:
            raise ValueError("least-cost needs --escape-cost and --false-reject-cost")
        if self.method != "least-cost" and any(cost is not None for cost in costs):
            raise ValueError("costs and --defect-rate are for --method least-cost alone")
        if self.recheck and self.recheck_rate:
            raise ValueError("give --recheck or --recheck-rate, not both")
        if self.folds == 1:
            raise ValueError("--folds needs at least 2")
        if self.folds and self.method in NEEDS_DEFECTS:
            raise ValueError("--folds is for --method quantile and tail: sibling models see no defects")
        return self

    def costs(self) -> Costs:
        """Return the costs of least-cost; the defect rate is assumed where none is given."""
        if self.escape_cost is None or self.false_reject_cost is None:
            raise ValueError("no costs were given")
        return Costs(self.escape_cost, self.false_reject_cost, self.defect_rate or DEFECT_RATE)
