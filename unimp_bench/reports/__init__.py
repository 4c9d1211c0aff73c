"""Tables, pages and audits."""
