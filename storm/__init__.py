"""The proof of what a worker promises: real processes, a real Kafka, and faults at random moments.

`python -m storm` prints a table of what was lost, wrong or twice; the tests run every scenario once, small: `make test`
a few and `make proof` the others.
"""
