"""`python -m kea_deployer.operator`: the operator as a process of its own."""

import os
import sys

from kea_core.lifecycle import run_service
from kea_core.settings import read_settings

from kea_deployer.operator.main import run
from kea_deployer.operator.settings import OperatorSettings

if __name__ == "__main__":
    sys.exit(run_service("operator", run, read_settings(OperatorSettings, "KEA_OPERATOR", os.environ)))
