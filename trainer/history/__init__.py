"""`history`: what the store knows, as a file to learn from."""
