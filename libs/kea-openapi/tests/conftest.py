from __future__ import annotations

import sys
from pathlib import Path

# Tests are not packages (import mode importlib), so the strategies they share are found by path.
sys.path.insert(0, str(Path(__file__).parent))
