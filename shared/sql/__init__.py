"""Every statement that moves a message or a mailing: its name, a sentence that says what it does, and the reasons why.

Both sides execute them: workers through psycopg2, the API in its session's transaction (api/database.py). Parameters
are psycopg2's, by name: `%(name)s`. What only reads stands with who asks it. The legal moves are in
shared/domain/transitions.py.
"""
