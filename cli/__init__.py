"""The door for people: one command, `ripen`."""
