"""Passes over the three levels of IR."""
