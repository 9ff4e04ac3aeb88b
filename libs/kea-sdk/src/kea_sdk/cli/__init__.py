"""The `kea` command. Modules here import what they need when a command runs, so that `kea --help` is quick."""
