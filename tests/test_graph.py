"""The network as a networkx graph."""

from __future__ import annotations

import numpy as np
import pytest

from fastnn import Network

networkx = pytest.importorskip("networkx")


@pytest.mark.parametrize("bias", [True, False])
def test_the_graph_holds_every_number_of_the_network(bias):
    net = Network([4, 3, 5, 2], activation=["tanh", "relu"], output="softmax", bias=bias, seed=0,
                  init={"normal": 1.0, "bias": float(bias)})  # fmt: skip
    graph = net.to_networkx()
    assert networkx.is_directed_acyclic_graph(graph)
    assert (graph.number_of_nodes(), graph.number_of_edges()) == (14, 4 * 3 + 3 * 5 + 5 * 2)
    for layer, (W, b) in enumerate(zip(net.weights, net.biases, strict=True), start=1):
        names = [[(layer - 1, i) for i in range(len(W))], [(layer, j) for j in range(W.shape[1])]]
        np.testing.assert_array_equal(
            networkx.bipartite.biadjacency_matrix(graph, *names, dtype=np.float32).toarray(), W
        )
        assert [graph.nodes[name]["bias"] for name in names[1]] == (b.tolist() if bias else [0.0] * W.shape[1])
    assert [graph.nodes[layer, 0]["kind"] for layer in range(4)] == ["input", "hidden", "hidden", "output"]
    assert [graph.nodes[layer, 0].get("activation") for layer in range(4)] == [None, "tanh", "relu", "softmax"]
    assert graph.graph == {"sizes": (4, 3, 5, 2), "output": "softmax", "loss": "categorical_cross_entropy"}


def test_a_walk_through_the_graph_computes_the_output():
    init = {"normal": 1, "bias": 1}
    net = Network([3, 4, 2], activation="tanh", output="identity", dtype="float64", seed=1, init=init)
    graph, x = net.to_networkx(), [0.3, -0.5, 2.0]
    value = {(0, i): entry for i, entry in enumerate(x)}
    for node in networkx.topological_sort(graph):
        if node not in value:
            found = graph.nodes[node]
            z = found["bias"] + sum(value[source] * graph.edges[source, node]["weight"] for source in graph.pred[node])
            value[node] = np.tanh(z) if found["activation"] == "tanh" else z
    np.testing.assert_allclose([value[2, 0], value[2, 1]], net.predict([x])[0], rtol=1e-12)
