"""What the messages of the log mean: used by the worker and by `verify` alike."""
