"""Export of instruction datasets, import of predictions and results."""
