"""Real brokers, stores and systems, for whoever tries the programs: the tests and the storm."""
