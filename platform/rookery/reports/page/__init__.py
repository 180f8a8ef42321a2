"""Pages, tables and folders: reports as people read them."""
