"""`python -m kea_router`: the router as a process of its own."""

import os
import sys

from kea_core.lifecycle import run_service
from kea_core.settings import read_settings

from kea_router.main import run
from kea_router.settings import RouterSettings

if __name__ == "__main__":
    sys.exit(run_service("router", run, read_settings(RouterSettings, "KEA_ROUTER", os.environ)))
