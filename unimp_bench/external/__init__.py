"""Scores predictions that somebody else made: a Parquet or JSONL file becomes a result like any other."""
