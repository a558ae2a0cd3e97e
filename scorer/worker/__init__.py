"""The worker: from Kafka through the pipeline to topics and store, in an order that is the guarantee."""
