"""VISA, and the images that it offers."""
