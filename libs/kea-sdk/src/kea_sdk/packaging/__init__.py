"""Turning what people have in hand (an estimator, a graph, a class, a file) into a model version that can be pushed."""
