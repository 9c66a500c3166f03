"""Routes of messages: which gateways they may take. (The routes of HTTP are in each package's routes.py.)"""
