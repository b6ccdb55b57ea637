"""The draws of planted faults live beside the benchmark that plays all of them."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
