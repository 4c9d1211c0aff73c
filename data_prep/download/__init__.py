"""Fetching raw files and pictures over HTTP, from servers that stall, disconnect, redirect and misreport.

``http`` sends one GET and retries, ``transfer`` downloads one file, ``releases`` lists the files of the public data
sets; ``data_prep.pictures`` downloads many small files.
"""
