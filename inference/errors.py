"""The exception tree of `inspectd.inference`: foreign exceptions are mapped to it once, where they arise."""


class InferenceError(Exception):
    """Anything that keeps a frame from being scored."""


class BundleError(InferenceError):
    """A model bundle is missing a part, was changed, or is of a format this version does not read."""


class EngineError(InferenceError):
    """A runtime could not be opened, failed while running, or gave an output that is not a finite number."""


class SelfTestError(EngineError):
    """A runtime does not reproduce the golden scores of a bundle."""


class WeightsError(InferenceError):
    """Pre-trained weights are missing or do not fit the model."""


class StoreError(InferenceError):
    """Installed models cannot be read or changed as asked."""
