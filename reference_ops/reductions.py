"""From many numbers to fewer: sums, moments, extremes, products, norms."""
