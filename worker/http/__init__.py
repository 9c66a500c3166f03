"""HTTP/1.1 over kept connections: what the submissions of messages need of it, at the cost of two system calls.

connector.py connects, connection_maker.py does so for many requests at once. connection.py sends one request after
another without blocking, response_reader.py reads the responses. nested_tls.py is for a proxy and a gateway that both
use TLS. docs/adr/0045-own-http-connections.md says why this is no library.
"""
