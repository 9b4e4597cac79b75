"""Calibration: from a Hugging Face model and training texts to a profile file (`python -m
kvtier.calibrate --help`).

Needs torch and transformers, which nothing else in kvtier does. `gather` runs the model once over
the texts; `fit` turns caches and gradients into transforms and probes; `simulate` is the codec
without a bitstream; `evaluate` measures bits and loss; `profile_file` makes a profile of it.
"""
