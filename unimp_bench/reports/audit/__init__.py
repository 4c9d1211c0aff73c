"""What data and tables can be trusted for: shortcuts in a corpus, and whether printed numbers agree."""
