"""How the API is served: gunicorn keeps the processes, uvicorn reads requests, and a pool of threads answers them.

docs/adr/0001-read-requests-before-a-thread-is-spent.md says why.
"""
