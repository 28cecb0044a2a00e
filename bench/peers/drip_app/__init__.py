"""The Django application that the peer needs: points and events of its users."""
