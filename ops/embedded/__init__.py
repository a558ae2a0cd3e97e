"""A broker in memory, with nothing installed: for a demonstration. Its limit is guarded."""
