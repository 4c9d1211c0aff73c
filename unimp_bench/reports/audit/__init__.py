"""Audits: shortcuts in corpora, and consistency of printed tables."""
