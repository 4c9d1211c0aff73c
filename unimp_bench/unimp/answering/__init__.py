"""How answers are read off the network: scores in one pass, and tokens one after the other."""
