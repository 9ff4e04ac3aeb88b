"""Making what is what is wanted."""
