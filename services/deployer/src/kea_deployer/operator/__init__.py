"""The operator: custom resources turned into calls of KEA's API (ADR 0012)."""
