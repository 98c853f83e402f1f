"""Networks as a user composes them from the ops: a formula is a graph, and a graph is an op."""
