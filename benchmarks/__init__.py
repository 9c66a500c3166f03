"""What the figures of docs/performance.md come from: `python -m benchmarks NAME`. Linux only: costs come from /proc."""
