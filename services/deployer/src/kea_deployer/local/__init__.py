"""Platform `local`: replicas are processes of this machine."""
