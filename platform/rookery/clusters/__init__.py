"""Clusters: files that make them, jobs sent to them, and a doctor who looks at every node."""
