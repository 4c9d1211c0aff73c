"""Exchange with others: instruction datasets out, predictions and results in."""
