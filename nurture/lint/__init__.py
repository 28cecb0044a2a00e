"""What is wrong between definitions that are each well formed: unknown names, dead ends, rules that never act."""
