"""Python runs this as it starts, in the children of a planted run: the fault is in them too."""

import os
import sys
from pathlib import Path

if name := os.environ.get("PLANTED_FAULT"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from tests.planted.faults import FAULTS
    from tests.planted.overlay import Overlay

    Overlay(FAULTS[name].plant).install()
