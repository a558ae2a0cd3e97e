"""The whole system in three minutes: every program by its own command, watched in the terminal."""
