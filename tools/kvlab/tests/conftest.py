"""Puts kvlab on the path: it is a script with its data beside it, not an installed package."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
