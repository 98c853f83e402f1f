"""Signals and images at another size."""
