"""The portal: documentation of what is served, for people and for programs, and gRPC reflection."""
