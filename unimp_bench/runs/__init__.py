"""Fitting, running, scoring, tuning, suites and reproduction of specifications."""
