"""A busy hour on gunicorn and PostgreSQL in four minutes: nothing grows, nothing is slow."""
