"""Fixtures of all tests."""

pytest_plugins = ["kea_core.testing.fixtures"]
