"""The worker: claims the messages that are due, submits them to gateways, and records the results."""
