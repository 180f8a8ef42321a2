"""The pages, each a module with its layout and what it does when its data or its controls change."""
