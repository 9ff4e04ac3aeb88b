"""Where auth keeps things."""
