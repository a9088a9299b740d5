"""Stand-alone networks with weights of a supernet."""


def inherit(space, weights, genes, classes, network):
    """Return the network of one architecture with a copy of its part of a supernet's state dict."""
    alone = space.build(genes, classes, network)
    alone.load_state_dict({name: weights[name] for name in alone.state_dict()})
    return alone
