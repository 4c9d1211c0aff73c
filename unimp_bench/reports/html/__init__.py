"""All leaderboards as one page of HTML that opens from disk and asks a network for nothing."""
