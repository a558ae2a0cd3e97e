"""Training: from a file to a model that is worth serving. DESIGN.md says which file does what."""
