"""Envoy's fixed configuration: the listener that never changes."""
