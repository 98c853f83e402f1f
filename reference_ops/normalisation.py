"""Zero mean and unit variance: over a batch, a row, groups of channels."""
