"""How much one request may ask for."""

DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000
