"""Readers: files of any survey in, a survey store out. One file for each format."""
