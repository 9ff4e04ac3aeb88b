"""Why a platform cannot run."""

from __future__ import annotations


class PlatformError(Exception):
    """The platform cannot run; the message says why, in one line."""
