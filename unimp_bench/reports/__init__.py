"""From published results to what people read, in one direction.

``store`` reads results and records, ``rows`` puts comparable ones beside each other and says what holds of them,
``tables`` makes each such section one ``Table``, and ``pages`` writes tables as Markdown and HTML. ``audit`` measures
corpora and printed tables, ``gallery`` draws generated pictures, ``documentation`` writes the reference of the site.
"""
