"""`python -m server` is the command `opennrw`."""

from server.cli import main

if __name__ == "__main__":  # a worker process that is spawned imports this module again
    main()
