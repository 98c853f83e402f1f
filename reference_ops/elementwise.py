"""Functions of each entry: exponentials, logarithms, roots, trigonometric functions, choices."""
