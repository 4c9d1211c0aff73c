"""Why a user finds that an item suits them or not: one sentence of the user's own review.

``rule`` picks it from the review's text; ``sentires`` reads what the Sentires toolkit extracted, for the domains
that have such a file; ``writing`` puts either into a corpus.
"""
