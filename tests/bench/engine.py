"""How fast the runtime is beside PyTorch and beside the machine's memory: ratios, measured in one run.

Run by `nox -s bench`; prints one JSON object. Rivals take turns, so that a busy moment hits them alike.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import chat_app.weights  # isort: skip  # noqa: F401, first: it chooses OpenBLAS's kernels before numpy is imported
import numpy as np

from chat_app.blas import Threads, cores
from chat_app.mind import open_mind
from chat_app.model import Cache, forward
from chat_app.sampler import Sampler, Sampling
from chat_app.weights import Weights
from tests.bench import shape

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "build"))

import packing


def seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def in_turns(count: int, **works: Callable[[], float]) -> dict[str, float]:
    """The median seconds of each work (it returns its own time), all done `count` times, one after the other."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(count):
        for name, work in works.items():
            time.sleep(0.05)  # OpenMP's threads spin for a while after their work, and would be in the way
            times[name].append(work())
    return {name: statistics.median(t) for name, t in times.items()}


def bandwidth() -> float:
    """Bytes a second that all threads can read of a float32 matrix much larger than the caches."""
    matrix = np.ones((1 << 16, 1024), np.float32)
    vector, out = np.ones(1024, np.float32), np.empty(1 << 16, np.float32)
    return matrix.nbytes / min(seconds(lambda: np.dot(matrix, vector, out=out)) for _ in range(15))


def torch_worker(arrays: dict[str, np.ndarray], connection: Connection) -> None:
    """PyTorch in a process of its own: two thread pools in one process would fight."""
    import torch

    from tests.bench.rivals import TorchEngine
    from trainer.model import Transformer

    torch.set_num_threads(cores())
    model = Transformer(shape.CONFIG)
    model.load_state_dict({name: torch.from_numpy(array) for name, array in arrays.items()})
    engine = TorchEngine(model)
    while (order := connection.recv()) is not None:
        keep, ids, repeats = order
        engine.length = keep
        engine.forward(ids)
        times = []
        for _ in range(repeats):
            engine.length = keep
            times.append(seconds(partial(engine.forward, ids)))
        connection.send(times)


def decode_and_prefill(weights: Weights, arrays: dict[str, np.ndarray]) -> dict[str, float]:
    """Speeds of both engines; every turn is a sentence of tokens, as when writing."""
    here, there = multiprocessing.get_context("spawn").Pipe()
    worker = multiprocessing.get_context("spawn").Process(target=torch_worker, args=(arrays, there), daemon=True)
    worker.start()
    cache, prompt, result = Cache(weights.config), [i % 31000 for i in range(1000)], {}

    def ours(keep: int, ids: list[int], repeats: int) -> float:
        cache.keep(keep)
        forward(weights, ids, cache)
        times = []
        for _ in range(repeats):
            cache.keep(keep)
            times.append(seconds(lambda: forward(weights, ids, cache)))
        return statistics.median(times)

    def theirs(keep: int, ids: list[int], repeats: int) -> float:
        here.send((keep, ids, repeats))
        return statistics.median(here.recv())

    for context in (64, 1000):
        for side in (ours, theirs):
            side(0, prompt[:context], 1)
        times = in_turns(5, ours=lambda c=context: ours(c, [5], 40), torch=lambda c=context: theirs(c, [5], 40))
        result[f"decode_{context}_tokens_per_second"] = 1 / times["ours"]
        result[f"decode_{context}_torch_tokens_per_second"] = 1 / times["torch"]
    times = in_turns(5, ours=lambda: ours(0, prompt[:512], 4), torch=lambda: theirs(0, prompt[:512], 4))
    here.send(None)
    worker.join()
    return result | {"prefill_512_seconds": times["ours"], "prefill_512_torch_seconds": times["torch"]}


def loading(path: Path) -> dict[str, float]:
    """Seconds from an opened mind to weights in memory, the file in the page cache; of the same mind packed, too."""
    packing.write(path, path.with_suffix(".packed"), pack=True)
    plain, packed = open_mind(path), open_mind(path.with_suffix(".packed"))
    times = [(seconds(lambda: Weights.from_mind(plain)), seconds(lambda: Weights.from_mind(packed))) for _ in range(5)]
    return {
        "load_seconds": min(first for first, _ in times), "load_packed_seconds": min(second for _, second in times),
        "packed_share": packed.length / plain.length,
    }  # fmt: skip


def sampling() -> float:
    """Microseconds of one pick at 32,000 logits with the settings a chat uses."""
    logits = np.random.default_rng(0).standard_normal(32000).astype(np.float32) * 3
    sampler = Sampler(
        Sampling(temperature=0.8, top_k=40, top_p=0.95, repetition_penalty=1.1, no_repeat_ngram=6, seed=1)
    )
    written = list(range(200))
    hot = np.empty_like(logits)  # as they are when the model has just written them
    times = []
    for _ in range(300):
        np.copyto(hot, logits)
        times.append(seconds(lambda: sampler.pick(hot, written)))
    return 1e6 * statistics.median(times)


def _spin(stop: multiprocessing.synchronize.Event) -> None:
    while not stop.is_set():
        sum(range(10000))


def neighbour(weights: Weights) -> dict[str, float]:
    """Tokens a second with a busy process on one core: adaptive, and with one thread from the start."""
    cache, threads = Cache(weights.config), Threads(weights.h[0].c_up)
    stop = multiprocessing.Event()
    busy = [multiprocessing.Process(target=_spin, args=(stop,), daemon=True) for _ in range(max(1, cores() - 1))]
    for process in busy:
        process.start()

    def write(count: int, *, adaptive: bool) -> float:
        cache.keep(0)
        threads._tell(threads.now if adaptive else 1)
        started = time.perf_counter()
        for _ in range(count):
            before = time.perf_counter()
            forward(weights, [5], cache)
            if adaptive:
                threads.observe(time.perf_counter() - before)
        return count / (time.perf_counter() - started)

    try:
        speeds: dict[str, list[float]] = {"adaptive": [], "one": []}
        for _ in range(5):
            speeds["adaptive"].append(write(100, adaptive=True))
            speeds["one"].append(write(100, adaptive=False))
    finally:
        stop.set()
        for process in busy:
            process.join()
    return {f"neighbour_{name}_tokens_per_second": statistics.median(s) for name, s in speeds.items()}


def main() -> None:
    arrays = shape.arrays()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shape.mind"
        shape.write(path)
        load = loading(path)
    weights = Weights.from_arrays(shape.CONFIG, arrays)
    result: dict[str, float] = {"cores": cores(), "weights_bytes": 4 * weights.arena.size}
    result["bandwidth"] = max(bandwidth() for _ in range(2))
    result |= decode_and_prefill(weights, arrays)
    result |= load
    result["sampling_microseconds"] = sampling()
    result |= neighbour(weights)
    print(json.dumps(result))


if __name__ == "__main__":
    main()
