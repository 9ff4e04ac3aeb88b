"""Alembic's scripts of the registry's tables."""
