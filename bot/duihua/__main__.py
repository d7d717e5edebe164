"""`python -m duihua` is `duihua`."""

from __future__ import annotations

import sys

from duihua.cli import main

sys.exit(main())
