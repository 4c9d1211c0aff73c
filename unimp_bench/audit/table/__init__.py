"""Whether the numbers of a printed row can all come from one set of target ranks."""
