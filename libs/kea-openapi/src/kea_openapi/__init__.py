"""Signatures of models, and the JSON Schema and OpenAPI 3.1 made from them."""
