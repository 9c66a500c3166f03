"""Other task queues that do the same work, each as its own documentation advises for speed."""
