"""Advertising platforms: who is told which hashed members to add or remove."""
