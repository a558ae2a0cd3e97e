"""Streams: how fast, and how soon, from Kafka to flags, alerts and store; ours beside others that do the same work."""
