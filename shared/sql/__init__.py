"""Every statement that changes the state of a message or a mailing: its name, what it does, and why.

Both sides execute them: workers through psycopg2, the API in its session's transaction (api/database.py). Parameters
are psycopg2's, by name: `%(name)s`. Queries that only read are with their callers. The legal transitions
are in shared/domain/transitions.py.
"""
