"""Fetching raw files and pictures over HTTP, from servers that stall, disconnect, redirect and misreport.

``http`` makes one GET and retries, ``transfer`` brings one file, ``releases`` lists the files of the public data sets;
``data_prep.pictures`` fetches many small files.
"""
