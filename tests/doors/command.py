"""Becomes the command that is named: `python -m command shadow-mw run …` for what starts modules only."""

from __future__ import annotations

import os
import sys

os.execvp(sys.argv[1], sys.argv[1:])
