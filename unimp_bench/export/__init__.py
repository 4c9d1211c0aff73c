"""Instruction datasets: the examples of a task as Parquet with a card, and as pages for a reader."""
