"""The numbers of a report: predictions held against a survey's truth."""
