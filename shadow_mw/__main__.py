"""`python -m shadow_mw`: the same as the command `shadow-mw`."""

from __future__ import annotations

import sys

from shadow_mw.cli import main

if __name__ == "__main__":
    sys.exit(main())
