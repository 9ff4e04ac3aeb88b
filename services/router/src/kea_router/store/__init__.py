"""Where endpoints are kept."""
