"""What the README's figures come from: one command each, `python -m benchmarks.NAME`.

Linux only: what processes cost comes from /proc.
"""
