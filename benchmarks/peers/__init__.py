"""The peers: other people's task queues doing the same work. Each runs in a virtual environment of their own."""
