"""Where the registry keeps things."""
