"""How it is trained: objective, steps, checkpoints (section 2.4 of the paper)."""
