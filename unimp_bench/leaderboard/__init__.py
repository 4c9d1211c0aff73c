"""Published results to markdown tables."""
