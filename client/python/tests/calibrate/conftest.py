"""These tests need torch and transformers, as calibration does; where they are not installed,
nothing is collected."""

import importlib.util

if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers")):
    collect_ignore_glob = ["*_test.py", "test_*.py"]
