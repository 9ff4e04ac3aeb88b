"""`python -m kea_deployer`: the deployer as a process of its own."""

import os
import sys

from kea_core.lifecycle import run_service
from kea_core.settings import read_settings

from kea_deployer.main import run
from kea_deployer.settings import DeployerSettings

if __name__ == "__main__":
    sys.exit(run_service("deployer", run, read_settings(DeployerSettings, "KEA_DEPLOYER", os.environ)))
