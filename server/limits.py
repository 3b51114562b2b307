"""How much one request may ask for."""

DEFAULT_LIMIT = 100
MAX_LIMIT = 1_000_000
# Up to so many features an answer is made as a whole; a longer one is sent while it is made
AT_ONCE = 10_000

# A page for people; a table of 10,000 rows would keep a worker process busy for a second
MAX_LIMIT_HTML = 500
