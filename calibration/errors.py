"""The exception of `inspectd.calibration`."""


class CalibrationError(Exception):
    """Data or settings cannot be calibrated with; the text names the file or field and the remedy."""
