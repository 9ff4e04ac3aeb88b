"""`python -m kea_gateway`: the portal as a process of its own."""

import os
import sys

from kea_core.lifecycle import run_service
from kea_core.settings import read_settings

from kea_gateway.main import run
from kea_gateway.settings import GatewaySettings

if __name__ == "__main__":
    sys.exit(run_service("gateway", run, read_settings(GatewaySettings, "KEA_GATEWAY", os.environ)))
