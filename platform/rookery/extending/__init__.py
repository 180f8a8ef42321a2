"""How a family of networks is begun in a package of one's own; docs/extending.md."""
