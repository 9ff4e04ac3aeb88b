"""Alembic's scripts of auth's tables."""
