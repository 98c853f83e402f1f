"""From scores to probabilities: softmax and its logarithm."""
