"""The scorer: a Faust worker that scores every transaction, and what looks after its work."""
