"""Fetching raw files and pictures over HTTP, from servers that stall, cut off, redirect and lie.

``http`` makes one GET, ``transfer`` brings one file, ``releases`` knows what is where, ``pictures`` brings many small
files, and ``addresses`` says which hosts they may come from.
"""
