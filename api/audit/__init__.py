"""Who did what and when: written with what was done, and only ever added to."""
