"""Results to sections of comparable rows: labels, means over seeds, paired tests, and what the standard says."""
