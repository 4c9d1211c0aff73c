"""The user sentence: words and numbers of items, prompts and answers, joined as arrays (section 2.1 of the paper)."""
