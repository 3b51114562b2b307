"""How much one filter may ask for. Checked before or while it is read, so that no filter costs more than these allow.

Length and depth are those of ldproxy, the reference implementation.
"""

MAX_LENGTH = 100_000  # characters
MAX_DEPTH = 250  # nested expressions
MAX_TERMS = 5_000  # operators, functions, names and values
MAX_VERTICES = 20_000  # of all geometries together
MAX_NUMBER = 400  # characters of one number

# Of a filter that no index serves, seconds: it may have to look at each feature of the collection
SCAN_TIMEOUT = 10
