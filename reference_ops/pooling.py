"""Largest and mean value of windows, in one and two dimensions."""
