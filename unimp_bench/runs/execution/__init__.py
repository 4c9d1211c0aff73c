"""Execution of suites in processes or on a Ray cluster."""
