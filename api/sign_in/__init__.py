"""People: signing a browser in and out, by a key, a link or a provider."""
