"""From results to tables and pages."""
