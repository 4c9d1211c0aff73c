"""Whether printed rank metrics can come from one ranking per example, at their printed precision."""
