"""The audit log: who did what, what was decided, and by which rule."""
