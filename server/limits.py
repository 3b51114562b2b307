"""How much one request may ask for."""

DEFAULT_LIMIT = 100
MAX_LIMIT = 10_000

# A page for people; a table of 10,000 rows would keep a worker process busy for a second
MAX_LIMIT_HTML = 500
