"""KEA's own API, as its callers see it."""
