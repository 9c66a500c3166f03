"""HTTP/1.1 over kept connections: what the submissions of messages need of it, at the cost of three system calls.

connector.py connects. connection.py sends one request after another without blocking, response_reader.py
reads the responses. docs/adr/0045-own-http-connections.md says why this is no library.
"""
