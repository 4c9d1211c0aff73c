"""Hyper-parameter search on the validation part, and the configurations that it chose."""
