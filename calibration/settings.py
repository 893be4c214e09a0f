"""What a training run is asked for, and the table of profiles that fills in the rest."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from inspectd.calibration.errors import CalibrationError
from inspectd.calibration.sigma_origin import SigmaOrigin
from inspectd.inference.model_config import ModelConfig


class Recipe(BaseModel):
    """All that decides how a model is trained; recorded in the bundle's manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    image_size: int = Field(default=224, description="side S of the model's images, px")
    widths: tuple[int, int, int] = Field(default=(64, 128, 256), description="channels of the three blocks")
    dim: int = Field(default=512, description="D, length of a token")
    dropout: float = Field(default=0.25, ge=0, lt=1)
    skips: Literal["attention", "plain", "none"] = Field(default="attention", description="skip connections")
    pyramid: bool = Field(default=True, description="join the reduced image to each block")
    freeze_vgg: bool = Field(default=False, description="leave pre-trained layers as they were loaded")
    sigma: float = Field(default=0.2, ge=0, le=1, description="noise of Eq. 4, image in [0, 1]")
    test_noise: float = Field(default=1.0, ge=0, le=1, description="share of sigma in the scoring graph")
    sigma_drawn: bool = Field(default=False, description="each image's noise drawn from [0, sigma]")
    synthetic: float = Field(default=0.0, ge=0, le=1, description="share of images with synthetic defects")
    gain: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="brightness times a factor from 1 - gain to 1 + gain",
    )
    borders: bool = Field(default=True, description="SSIM over the image's border too")
    learning_rate: float = Field(default=3e-4, gt=0)
    decay: bool = Field(default=True, description="lower the learning rate to 0 along half a cosine")
    batch: int = Field(default=8, ge=1)
    epochs: int = Field(default=2000, ge=1, description="passes over the images, at the most")
    minutes: float | None = Field(
        default=None, gt=0, description="time to train, at the most, for 224 px; smaller sizes take less"
    )
    average: bool = Field(default=True, description="use a running mean of the weights, not the last ones")
    stop_after_epochs: int = Field(default=800, ge=0, description="early stopping waits for nothing before")
    patience_epochs: int = Field(default=300, ge=1, description="then: epochs without a better held-out loss")

    def network(self) -> ModelConfig:
        """Return the model's configuration. Raises CalibrationError if the fields do not fit together."""
        try:
            return ModelConfig(
                image_size=self.image_size,
                widths=self.widths,
                dim=self.dim,
                dropout=self.dropout,
                skips=self.skips,
                pyramid=self.pyramid,
                freeze_vgg=self.freeze_vgg,
            )
        except ValueError as error:
            raise CalibrationError(f"model: {error}. Choose other sizes.") from error


PROFILES = {
    # A usable bundle on two cores within 10 minutes for 300 images at 224 px, under 3 at 128 px. The gain:
    # the light of a line drifts, and a short training takes an image somewhat darker than all it saw for
    # anomalous (on MVTec's screws, whose good test images are 8 % darker than the good ones to train with).
    "quick": Recipe(minutes=7.5, gain=0.15),
    # The same on a GPU, in 10 minutes with everything. Twice the batch: a GPU is hardly faster with less, and
    # in half the precision 16 images take the memory of the paper's 8, which its card of 6 GB had.
    "standard": Recipe(minutes=8.0, gain=0.15, batch=16),
    # The shipped demo: a narrow network without pre-trained weights, for a data set of simulated buttons. At
    # 160 px a button's holes lie within sight of each other for the convolutions; at 224 px that is left to
    # the transformer, which four of five trainings had not learned by their end: they took missing holes for
    # good (image AUROC 0.46, 0.50, 0.50 and 0.63; here 1.00).
    "demo": Recipe(
        image_size=160,
        widths=(24, 48, 96),
        dim=256,
        dropout=0.1,
        sigma=0.1,
        # What was trained to take synthetic defects out needs no noise to hide real ones: with it, missing
        # holes went unseen (image AUROC 0.65 at full noise, 0.99 without, same weights).
        test_noise=0.0,
        synthetic=0.7,
        learning_rate=1e-3,
        decay=False,
        epochs=48,
    ),
    # Section 4B of the paper, value by value. The noise rate is the class's own: --sigma, or a preset.
    "paper": Recipe(
        image_size=224,
        dropout=0.25,
        learning_rate=1e-4,
        decay=False,
        average=False,
        batch=8,
        epochs=2000,
        stop_after_epochs=800,
        patience_epochs=300,
    ),
}


class TrainSettings(BaseModel):
    """One training run. Fields that are None are taken from the profile."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path = Field(description="folder of good images, or in MVTec's layout")
    out: Path = Field(description="the bundle's folder, to be written")
    profile: Literal["quick", "standard", "paper", "demo"] = "quick"
    class_name: str | None = Field(default=None, description="product class; None: the data folder's name")
    seed: int = Field(default=0, ge=0)
    vgg19: str = Field(default="auto", description="auto, none, or a file: torchvision's or safetensors")
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: a GPU if there is one")
    resume: bool = Field(default=True, description="go on from the checkpoint if there is one")
    replace: bool = Field(default=False, description="replace a bundle that is there already")
    mixed_sizes: bool = Field(default=False, description="good images may differ in size")
    decided_by: str = Field(default="calibration", min_length=1, description="role or user in the decision")
    image_size: int | None = None
    widths: tuple[int, int, int] | None = None
    dim: int | None = None
    dropout: float | None = None
    skips: Literal["attention", "plain", "none"] | None = None
    pyramid: bool | None = None
    freeze_vgg: bool | None = None
    sigma: float | None = None
    sigma_origin: SigmaOrigin | None = Field(default=None, description="where `sigma` is from; None: by hand")
    test_noise: float | None = None
    sigma_drawn: bool | None = None
    synthetic: float | None = None
    gain: float | None = None
    learning_rate: float | None = None
    decay: bool | None = None
    batch: int | None = None
    epochs: int | None = None
    minutes: float | None = None

    def recipe(self) -> Recipe:
        """Return the profile with this run's own values. Raises CalibrationError for a value out of range."""
        base = PROFILES[self.profile].model_dump()
        own = {name: value for name in base if (value := getattr(self, name, None)) is not None}
        try:
            return Recipe(**{**base, **own})
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(map(str, each['loc']))} {own.get(str(each['loc'][0]))!r}: {each['msg']}"
                for each in error.errors()
            )
            raise CalibrationError(f"training settings: {problems}. Choose other values.") from error

    @property
    def product_class(self) -> str:
        """Name of the product class: the one given, or the data folder's or CSV list's."""
        data = self.data.absolute()
        return self.class_name or (data.stem if data.is_file() else data.name)

    @property
    def origin(self) -> SigmaOrigin:
        """Where the noise rate is from."""
        return self.sigma_origin or SigmaOrigin(kind="profile" if self.sigma is None else "given")

    @property
    def work_folder(self) -> Path:
        """Where a run keeps checkpoint, history and events, beside the bundle: they stay outside of it."""
        return self.out.absolute().with_name(f"{self.out.name}.training")
