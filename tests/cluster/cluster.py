#!/usr/bin/env python3
"""Runs the test node's command line; `cluster.py --help` tells of it."""

from __future__ import annotations

import sys

from kit.__main__ import main

if __name__ == "__main__":
    sys.exit(main())
