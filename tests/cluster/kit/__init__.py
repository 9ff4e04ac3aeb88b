"""A real Kubernetes node for tests, made from Go modules and Debian packages: no Docker, no image is pulled.

Standard library only: it runs before `.venv` is made, and without it.
"""
