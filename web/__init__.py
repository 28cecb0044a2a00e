"""The door for browsers and webhooks: records facts, decides nothing."""
