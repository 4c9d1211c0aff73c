"""Fetching raw files and pictures over HTTP, from servers that stall, disconnect, redirect and misreport.

``http`` sends one GET and retries, ``transfer`` downloads one file, ``hosts`` chooses a host or a mirror, ``releases``
lists the files of the McAuley lab's releases; ``data_prep.pictures`` downloads many small files.
"""
