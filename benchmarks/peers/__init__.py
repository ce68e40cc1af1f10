"""The peers: other ways to train and ask the same networks, each in a process of its own.

name -> the module that has ``PEER``, a subclass of `base.Peer`, and what its constructor takes beside the number of
threads.  `workers` starts them, `worker` is what they run.
"""

PEERS: dict[str, tuple[str, dict[str, str]]] = {
    "fastnn cython": ("benchmarks.peers.fastnn_peer", {"backend": "cython"}),
    "fastnn numba": ("benchmarks.peers.fastnn_peer", {"backend": "numba"}),
    "fastnn numpy": ("benchmarks.peers.fastnn_peer", {"backend": "numpy"}),
    "NumPy by hand": ("benchmarks.peers.numpy_by_hand", {}),
    "scikit-learn": ("benchmarks.peers.sklearn_peer", {}),
    "PyTorch": ("benchmarks.peers.torch_peer", {}),
    "PyTorch compiled": ("benchmarks.peers.torch_compiled", {}),
    "JAX": ("benchmarks.peers.jax_peer", {}),
    "ONNX Runtime": ("benchmarks.peers.onnx_peer", {}),
}
