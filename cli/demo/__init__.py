"""The sample business: people and companies made of small lists and chance, and the days that they live."""
