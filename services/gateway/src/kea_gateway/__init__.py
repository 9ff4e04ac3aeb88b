"""Envoy's bootstrap and the portal."""
