"""Linear algebra: contractions, inverses, determinants, factors."""
