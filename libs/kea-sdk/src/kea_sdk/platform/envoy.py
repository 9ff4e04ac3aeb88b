"""Envoy on this machine: its configuration file and its command line."""

from __future__ import annotations

import os
from pathlib import Path

from kea_sdk.platform.layout import Layout
from kea_sdk.platform.options import UpOptions

DRAIN_SECONDS = 5
