"""Endpoints and the xDS control plane."""
