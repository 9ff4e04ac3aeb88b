"""From what is wanted to what Envoy understands: pure functions, sorted output."""
