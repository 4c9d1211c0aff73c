"""How far a corpus can be solved by shortcuts, and which test examples are those that can."""
