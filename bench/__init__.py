"""How fast each part is, beside the floor it could reach."""
