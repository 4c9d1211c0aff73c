"""Reference pages of the documentation, generated from cards, configurations and docstrings.

``docs/conf.py`` generates them at every build.
"""
