"""How messages leave: workers side by side, their common allowance, and what becomes of doubts."""
