"""Smooth and piecewise nonlinearities beyond the lecture's."""
