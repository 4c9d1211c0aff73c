"""The pages of the leaderboards as markdown: the same results give the same bytes."""
