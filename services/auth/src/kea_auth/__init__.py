"""Identity: signing keys and tokens."""
