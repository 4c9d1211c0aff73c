"""Readers of the folders in which papers and toolkits publish interactions, texts and splits (docs/formats.md)."""
