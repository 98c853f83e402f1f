"""The same numbers in another shape, order or number of copies."""
