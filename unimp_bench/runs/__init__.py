"""From a specification to a result: fitting, running, scoring, tuning, suites, reproduction."""
