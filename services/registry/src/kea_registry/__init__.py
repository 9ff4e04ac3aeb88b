"""Models, versions, aliases and artifacts."""
