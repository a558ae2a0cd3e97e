"""Rejected messages back to where they came from, once each."""
