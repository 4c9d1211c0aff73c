"""Generated pictures side by side: one query, what a model draws for each user, and what the user really bought."""
