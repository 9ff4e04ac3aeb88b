"""KEA from Python: `Client` pushes, deploys and calls models."""
