"""For those who write models: a small corpus with a planted truth, and the test that every model must pass."""
