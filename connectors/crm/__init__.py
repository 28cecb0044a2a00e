"""CRMs: where sales tasks go."""
