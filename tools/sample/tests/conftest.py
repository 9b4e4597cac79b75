"""Puts the sample's scripts on the path: they are not an installed package."""

import os
import sys

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
