"""What the law lets a person ask for: to see what is held, to be forgotten, and that nothing is held for ever."""
