"""inspect: what a file holds, which column may be what, and what to beware of."""
