"""Making images of models (docs/adr/0010-images-without-a-daemon.md)."""
