"""score: a file in, the same file with scores, levels and reasons out."""
