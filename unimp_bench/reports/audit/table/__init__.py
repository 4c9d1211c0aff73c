"""Whether the rank metrics of a printed row can come from one ranking per example, at the precision of the print."""
