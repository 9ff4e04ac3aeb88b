"""The platform `kubernetes`: replicas are pods (docs/adr/0011-kubernetes-platform.md)."""
