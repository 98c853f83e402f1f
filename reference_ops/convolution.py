"""Convolutions in one and two dimensions: stride, padding, dilation, groups."""
