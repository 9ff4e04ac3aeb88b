from __future__ import annotations

import sys
from pathlib import Path

# Tests are not packages (import mode importlib), so what they share is found by path.
sys.path.insert(0, str(Path(__file__).parent))
