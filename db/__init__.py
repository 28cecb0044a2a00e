"""MEMORY: the tables, the engine and every statement, one module per noun."""
