"""The suite; `tests/README.md` says what lives here."""
