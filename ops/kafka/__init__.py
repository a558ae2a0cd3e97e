"""Apache Kafka on this machine: one node, for tests, benchmarks and anyone with Java."""
