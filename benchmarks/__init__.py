"""Benchmarks: ours against what a person would use instead, side by side on the same two servers."""
