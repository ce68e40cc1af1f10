"""What the compiled module offers to type checkers; its functions are reached through KERNELS."""

from typing import TypedDict

from .table import Kernels

class Info(TypedDict):
    target: str
    targets: tuple[str, ...]
    vector_bytes: int
    pool_threads: int
    pool_most_used: int

KERNELS: Kernels

def info() -> Info: ...
def pool_reset_statistics() -> None: ...
