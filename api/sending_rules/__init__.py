"""The rules of sending: defaults of new mailings, and what is required of all."""
