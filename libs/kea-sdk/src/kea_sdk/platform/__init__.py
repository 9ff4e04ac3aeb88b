"""The platform on one machine: what `kea up`, `kea down` and `kea status` do."""
