"""Composed functions: how a graph is written, recorded and run."""
