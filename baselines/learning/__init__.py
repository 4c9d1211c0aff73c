"""How the baselines with gradients learn: a system writes a ``Network``, the rest is here, the same for all.

interactions, sampling, sequences, graph: the training part in the forms that systems read it in. network: what a
system writes. training: epochs, the choice of the best one, resuming. ranker: the model that the harness sees.
pairwise, encoder, softmax: parts that several networks share.
"""
