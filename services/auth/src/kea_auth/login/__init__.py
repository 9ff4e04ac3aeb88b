"""Logging in: users, their sessions, and the ways to a token (docs/adr/0015-login.md)."""
