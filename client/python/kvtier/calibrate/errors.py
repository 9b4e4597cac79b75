"""What calibration refuses, in plain words."""


class CalibrationError(Exception):
    """The model or the texts cannot be calibrated; the message says what was got and what is
    needed."""
