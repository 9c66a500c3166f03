"""The audit: who did what, and when. Written in one commit with what was done; never changed."""
