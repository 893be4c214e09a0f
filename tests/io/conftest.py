"""Lets the tests of cameras and PLC links share their benches."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
