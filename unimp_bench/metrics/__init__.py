"""Metrics, their intervals and the paired test."""
