"""The HTTP server: gunicorn supervises the processes, uvicorn reads requests, and a thread pool executes them.

docs/adr/0001-read-requests-before-a-thread-is-spent.md has the reasons.
"""
