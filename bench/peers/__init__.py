"""The same small workload by Ripen and by what somebody might pick instead; docs/benchmarks.md describes it."""
