"""How the worker grows: with workers, with customers, and with what is stored."""
