"""Container images, made and moved without a daemon (OCI image-spec 1.1, distribution-spec 1.1)."""
