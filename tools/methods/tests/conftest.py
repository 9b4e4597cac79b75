"""Puts the scripts and kvlab on the path."""

import sys
from pathlib import Path

TOOLS = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(TOOLS / "methods"), str(TOOLS / "kvlab")]
