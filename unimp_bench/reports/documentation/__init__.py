"""The reference of the documentation, from the cards, configurations and docstrings themselves.

``docs/conf.py`` calls it at every build, so that no page is written twice and none can fall behind its code.
"""
