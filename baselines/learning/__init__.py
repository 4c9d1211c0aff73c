"""The shared code of all trained baselines: a system implements a ``Network``, this package provides the rest.

interactions, sequences, graph: representations of the training part. network: the interface that a system implements.
training: the loop, checkpoints, resuming. model: the adapter to the harness. objectives, encoder: parts shared by
several networks.
"""
