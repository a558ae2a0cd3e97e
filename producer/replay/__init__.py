"""A history into Kafka, in the order in which it happened."""
