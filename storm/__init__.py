"""The proof of what a worker promises: real processes, a real Kafka, and faults at random moments.

`python -m storm` prints a table of what was lost, wrong or twice; the tests run every scenario once, small: all by
`make proof`, and one, smaller still, by `make test`.
"""
