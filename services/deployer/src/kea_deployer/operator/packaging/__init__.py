"""What is fetched, made into a model version."""
