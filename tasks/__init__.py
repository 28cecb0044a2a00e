"""How a step is done: open a transaction, let `db` decide, call a connector, record."""
