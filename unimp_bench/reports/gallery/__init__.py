"""Generated pictures side by side: one query, what a model draws for each user, and what the user really bought."""

SEARCH, PAINTING = "search", "image_generation"
"""The two tasks that a model which draws is fitted on."""
