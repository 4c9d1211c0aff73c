"""Tables to pages: one per task and corpus, suite and question, the index, and all of them as one HTML file."""
