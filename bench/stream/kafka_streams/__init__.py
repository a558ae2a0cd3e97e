"""Kafka Streams in Java, and what Python does for it: building it, and the comparison before a measurement."""
