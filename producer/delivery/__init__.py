"""Getting messages to Kafka, whatever happens to the broker: nothing lost, nothing reordered within a partition."""
