"""Dropout with a given mask."""
