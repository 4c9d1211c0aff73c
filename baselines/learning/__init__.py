"""The foundation of all learned baselines: a system writes a ``Network``, everything else is here.

interactions, sequences, graph: the training part in the forms that systems read. network: what a system writes.
training: the loop, checkpoints, resuming. model: the model that the harness sees. objectives, encoder: parts that
several networks share.
"""
