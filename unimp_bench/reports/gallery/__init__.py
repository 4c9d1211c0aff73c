"""Galleries of generated pictures: for one query and several users, the generated picture and the purchased item."""

SEARCH, PAINTING = "search", "image_generation"
"""The two tasks that the model of a gallery is fitted on."""
