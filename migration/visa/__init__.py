"""VISA."""
