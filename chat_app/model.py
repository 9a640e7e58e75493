"""The mind as numpy runs it: ids in, logits out, keys and values kept in a cache that the caller owns.

The twin of trainer/model.py. C = n_embd, H = n_head query heads, G = n_kv_head key-value heads, R = H / G,
D = C / H, T new positions, S positions in all, V the vocabulary. Everything is float32.
"""

from __future__ import annotations

import math
from typing import Final

from chat_app.weights import Layer, Weights  # before numpy: it chooses OpenBLAS's kernels

import numpy as np  # isort: skip

from chat_app.config import Config

BLOCK: Final = 512  # positions of one prefill: larger ones only take more memory
_CACHED: Final = 1 << 16  # numbers that an elementwise function takes at a time, to stay in a core's cache
_QUERIES: Final = 128  # positions that attend at a time
_FAINT: Final = 1e-25  # a sum of exponentials this small has lost what mattered to its row


class Cache:
    """What one conversation has paid for: keys and values of `ids`, and room to compute the next."""

    def __init__(self, config: Config) -> None:
        self.config = config
        shape = (config.n_layer, config.n_kv_head, config.block_size, config.head_dim)
        self.k, self.v = np.empty(shape, np.float32), np.empty(shape, np.float32)  # [L, G, S, D] each
        self.ids: list[int] = []
        self.room = _Room(config)

    def keep(self, count: int) -> None:
        """Forget all but the first `count` positions."""
        del self.ids[count:]


class _Room:
    """Every intermediate of one token, allocated once: at 100 tokens a second, allocations would show."""

    def __init__(self, c: Config) -> None:
        def empty(*shape: int) -> np.ndarray:
            return np.empty(shape, np.float32)

        self.x, self.normed, self.y = empty(c.n_embd), empty(c.n_embd), empty(c.n_embd)
        self.qkv = empty(c.n_embd + 2 * c.n_kv)
        self.q = self.qkv[: c.n_embd].reshape(c.n_head, c.head_dim)
        self.k = self.qkv[c.n_embd : c.n_embd + c.n_kv].reshape(c.n_kv_head, c.head_dim)
        self.v = self.qkv[c.n_embd + c.n_kv :].reshape(c.n_kv_head, c.head_dim)
        self.grouped_q = self.q.reshape(c.n_kv_head, -1, c.head_dim)  # [G, R, D]
        self.grouped_y = self.y.reshape(c.n_kv_head, -1, c.head_dim)  # [G, R, D]
        self.scores = empty(c.n_head * c.block_size)
        self.up = empty(2 * c.n_inner if c.mlp == "swiglu" else c.n_inner)
        self.logits = empty(c.vocab_size)


def forward(w: Weights, ids: list[int], cache: Cache) -> np.ndarray:
    """Logits [V] after the last of `ids`, which follow what the cache holds and are added to it.

    The result is the cache's own array: the next call overwrites it.
    """
    if len(ids) == 1:
        return _decode(w, ids[0], cache)
    x = _prefill(w, ids, cache, last_only=True)  # [1, C]
    _norm_row(w.config, x[0], w.ln_f, w.ln_f_bias, cache.room.normed)
    return np.dot(w.lm_head, cache.room.normed, out=cache.room.logits)


def logits_everywhere(w: Weights, ids: list[int], cache: Cache | None = None) -> np.ndarray:
    """Logits [T, V] after each of `ids`, which follow what the cache holds, if any: for scoring a text."""
    x = _prefill(w, ids, cache or Cache(w.config), last_only=False)  # [T, C]
    logits: np.ndarray = _norm_rows(w.config, x, w.ln_f, w.ln_f_bias, np.empty_like(x)) @ w.lm_head.T
    return logits


# --- one token: vectors, nothing allocated -------------------------------------------------------------------


def _decode(w: Weights, token: int, cache: Cache) -> np.ndarray:
    c, room, position = w.config, cache.room, len(cache.ids)
    S = position + 1
    scores = room.scores[: c.n_head * S].reshape(c.n_kv_head, -1, S)  # [G, R, S]
    x = room.x  # [C]
    np.copyto(x, w.wte[token])
    if w.wpe is not None:
        x += w.wpe[position]
    for layer, K, V in zip(w.h, cache.k, cache.v):  # K, V [G, block_size, D]
        _norm_row(c, x, layer.ln_1, layer.ln_1_bias, room.normed)
        np.dot(layer.c_qkv, room.normed, out=room.qkv)
        if layer.c_qkv_bias is not None:
            room.qkv += layer.c_qkv_bias
        _prepare_heads(w, layer, room.q, room.k, position)
        K[:, position], V[:, position] = room.k, room.v
        np.matmul(room.grouped_q, K[:, :S].transpose(0, 2, 1), out=scores)
        _softmax(scores)
        np.matmul(scores, V[:, :S], out=room.grouped_y)
        x += np.dot(layer.attn_c_proj, room.y, out=room.normed)
        if layer.attn_c_proj_bias is not None:
            x += layer.attn_c_proj_bias
        _norm_row(c, x, layer.ln_2, layer.ln_2_bias, room.normed)
        np.dot(layer.c_up, room.normed, out=room.up)
        if layer.c_up_bias is not None:
            room.up += layer.c_up_bias
        x += np.dot(layer.mlp_c_proj, _activate(c, room.up), out=room.normed)
        if layer.mlp_c_proj_bias is not None:
            x += layer.mlp_c_proj_bias
    cache.ids.append(token)
    _norm_row(c, x, w.ln_f, w.ln_f_bias, room.normed)
    return np.dot(w.lm_head, room.normed, out=room.logits)


def _norm_row(c: Config, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, out: np.ndarray) -> None:
    """LayerNorm or RMSNorm of x [C] into out [C]."""
    if c.norm == "layernorm":
        np.subtract(x, np.add.reduce(x) / len(x), out=out)
        x = out
    np.multiply(x, 1 / math.sqrt(np.dot(x, x) / len(x) + c.norm_eps), out=out)
    out *= weight
    if bias is not None:
        out += bias


# --- many tokens: matrices --------------------------------------------------------------------------------


def _prefill(w: Weights, ids: list[int], cache: Cache, *, last_only: bool) -> np.ndarray:
    """The stream [T, C] after the last layer, or, with `last_only`, its last row [1, C]."""
    c, start, T = w.config, len(cache.ids), len(ids)
    S = start + T
    x = w.wte[ids]  # [T, C]
    if w.wpe is not None:
        x += w.wpe[start:S]
    normed, y = np.empty_like(x), np.empty_like(x)  # [T, C] each
    qkv = np.empty((T, c.n_embd + 2 * c.n_kv), np.float32)
    q, k, v = (
        part.reshape(T, -1, c.head_dim) for part in np.split(qkv, (c.n_embd, c.n_embd + c.n_kv), axis=1)
    )  # [T, H, D], [T, G, D], [T, G, D]: views
    up = np.empty((T, w.h[0].c_up.shape[0]), np.float32)  # [T, n_inner] or [T, 2 n_inner]
    rows = max(1, _CACHED // up.shape[1])
    for layer, K, V in zip(w.h, cache.k, cache.v):  # K, V [G, block_size, D]
        np.dot(_norm_rows(c, x, layer.ln_1, layer.ln_1_bias, normed), layer.c_qkv.T, out=qkv)
        if layer.c_qkv_bias is not None:
            qkv += layer.c_qkv_bias
        _prepare_heads(w, layer, q, k, slice(start, S))
        K[:, start:S], V[:, start:S] = k.transpose(1, 0, 2), v.transpose(1, 0, 2)
        if last_only and layer is w.h[-1]:  # nobody asks what the earlier positions have become
            x, q, y, normed, up = x[-1:], q[-1:], y[-1:], normed[-1:], up[-1:]
        _attend(q, K, V, S - len(q), y)
        x += np.dot(y, layer.attn_c_proj.T, out=normed)
        if layer.attn_c_proj_bias is not None:
            x += layer.attn_c_proj_bias
        np.dot(_norm_rows(c, x, layer.ln_2, layer.ln_2_bias, normed), layer.c_up.T, out=up)
        if layer.c_up_bias is not None:
            up += layer.c_up_bias
        for row in range(0, len(up), rows):
            _activate(c, up[row : row + rows])
        x += np.dot(up[:, : c.n_inner], layer.mlp_c_proj.T, out=normed)
        if layer.mlp_c_proj_bias is not None:
            x += layer.mlp_c_proj_bias
    cache.ids += ids
    return x


def _attend(q: np.ndarray, K: np.ndarray, V: np.ndarray, start: int, y: np.ndarray) -> None:
    """Causal attention of q [T, H, D] at positions from `start` over K, V [G, block_size, D], into y [T, C].

    Some queries at a time: their scores stay in the cache, and what lies ahead of them all is never computed.
    """
    T, H, D = q.shape
    R = H // len(K)
    ahead = np.triu(np.full((_QUERIES, _QUERIES), -np.inf, np.float32), 1)  # no position sees a later one
    room, ones = np.empty(_QUERIES * (start + T), np.float32), np.ones(start + T, np.float32)
    for first in range(0, T, _QUERIES):
        n = min(_QUERIES, T - first)
        S = start + first + n
        scores = room[: n * S].reshape(n, S)
        for h in range(H):
            _score(q[first : first + n, h], K[h // R, :S], ahead, scores)
            scores -= scores.max()  # one for all rows costs a third of one for each, and cancels as well
            total = np.exp(scores, out=scores) @ ones[:S]  # [n]: so does a product beside np.add.reduce
            if total.min() < _FAINT:
                _score(q[first : first + n, h], K[h // R, :S], ahead, scores)
                scores -= scores.max(axis=1, keepdims=True)
                total = np.exp(scores, out=scores) @ ones[:S]
            mixed = scores @ V[h // R, :S]  # [n, D], not yet divided: it is smaller than the scores
            mixed /= total[:, None]
            y[first : first + n, h * D : (h + 1) * D] = mixed


def _score(q: np.ndarray, K: np.ndarray, ahead: np.ndarray, out: np.ndarray) -> None:
    """q [n, D] against K [S, D], whose last n positions are the queries' own, into out [n, S]."""
    n, S = out.shape
    np.matmul(q, K.T, out=out)
    out[:, S - n :] += ahead[:n, :n]


def _norm_rows(c: Config, x: np.ndarray, weight: np.ndarray, bias: np.ndarray | None, out: np.ndarray) -> np.ndarray:
    """LayerNorm or RMSNorm of every row of x [T, C] into out."""
    if c.norm == "layernorm":
        mean = x @ np.full(x.shape[1], 1 / x.shape[1], np.float32)  # [T]
        x = np.subtract(x, mean[:, None], out=out)
    size = np.einsum("tc,tc->t", x, x) / np.float32(x.shape[1])  # [T]
    np.multiply(x, (1 / np.sqrt(size + np.float32(c.norm_eps)))[:, None], out=out)
    out *= weight
    if bias is not None:
        out += bias
    return out


# --- both ------------------------------------------------------------------------------------------------------


def _prepare_heads(w: Weights, layer: Layer, q: np.ndarray, k: np.ndarray, positions: int | slice) -> None:
    """Norm, turn and scale, in place, queries q [(T,) H, D] and keys k [(T,) G, D] at their positions."""
    if layer.q_norm is not None and layer.k_norm is not None:
        _norm_heads(w.config, q, layer.q_norm)
        _norm_heads(w.config, k, layer.k_norm)
    if w.config.position == "rope":
        cos, sin = w.cos[positions, None], w.sin[positions, None]  # [(T,) 1, D/2]
        _rotate(q, cos, sin)
        _rotate(k, cos, sin)
    q *= 1 / math.sqrt(w.config.head_dim)


def _norm_heads(c: Config, x: np.ndarray, weight: np.ndarray) -> None:
    """RMSNorm over the channels of each head, in place."""
    size = np.einsum("...d,...d->...", x, x) / np.float32(c.head_dim)
    x *= (1 / np.sqrt(size + np.float32(c.norm_eps)))[..., None]
    x *= weight


def _rotate(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> None:
    """Turn each pair (i, i + D/2) of x [..., D] by its position's angle, in place."""
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    turned = second * sin
    second *= cos
    second += first * sin
    first *= cos
    first -= turned


def _softmax(x: np.ndarray) -> np.ndarray:
    """Over the last axis, in place."""
    x -= x.max(axis=-1, keepdims=True)
    np.exp(x, out=x)
    x /= x.sum(axis=-1, keepdims=True)
    return x


def _activate(c: Config, up: np.ndarray) -> np.ndarray:
    """GELU or SwiGLU in place: the result is the first n_inner channels of up [..., n_inner or 2 n_inner]."""
    if c.mlp == "gelu":
        return _gelu(up)
    gate, fc = up[..., : c.n_inner], up[..., c.n_inner :]
    fc *= gate  # silu(g) f = g f / (1 + exp(-g))
    np.negative(gate, out=gate)
    np.minimum(gate, 80.0, out=gate)  # exp stays finite; beyond it the result is 0 to the last bit that matters
    np.exp(gate, out=gate)
    gate += 1.0
    np.divide(fc, gate, out=gate)
    return gate


def _gelu(x: np.ndarray) -> np.ndarray:
    """x times the normal distribution function of x, in place; error below 3e-7.

    By Abramowitz and Stegun 7.1.26: for a = |x| and t = 1 / (1 + p a / sqrt 2),
    erf(a / sqrt 2) = 1 - poly(t) exp(-a a / 2), whence
    gelu(x) = max(x, 0) - a poly(t) exp(-a a / 2) / 2 on both sides of zero.
    """
    a = np.abs(x)
    t = a * _P
    t += _ONE
    np.divide(_ONE, t, out=t)
    poly = t * _A5
    for coefficient in _A4_TO_A1:
        poly += coefficient
        poly *= t
    poly *= a
    a *= a
    a *= _MINUS_HALF
    np.exp(a, out=a)
    poly *= a
    np.maximum(x, _ZERO, out=x)
    x -= poly
    return x


# 0-d arrays: numpy takes them 0.3 us faster than Python numbers, seventeen times a layer.
_ZERO, _ONE, _MINUS_HALF, _P, _A5 = (
    np.array(value, np.float32) for value in (0, 1, -0.5, 0.3275911 / math.sqrt(2), 1.061405429 / 2)
)
_A4_TO_A1 = [np.array(value / 2, np.float32) for value in (-1.453152027, 1.421413741, -0.284496736, 0.254829592)]
