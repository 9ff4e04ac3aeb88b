"""The `kea` command and the Python client."""
