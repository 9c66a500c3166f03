"""All that is known about a phone number: reading it as evidence, and erasing it."""
