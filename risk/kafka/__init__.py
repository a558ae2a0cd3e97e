"""The door to Kafka: how to connect, what the topics are like, how messages are sent."""
