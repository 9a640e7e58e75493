"""The two engines against each other: numpy must compute what torch computes, for every architecture."""

from __future__ import annotations

import itertools

import pytest

from chat_app.weights import Weights  # before numpy: it chooses OpenBLAS's kernels

import numpy as np  # isort: skip
import torch

from chat_app.config import Config, tensor_shapes
from chat_app.engine import Engine
from chat_app.model import Cache, _attend, forward, logits_everywhere
from chat_app.sampler import Sampler, Sampling
from chat_app.trace import Trace
from trainer.model import Transformer

LARGEST_DIFFERENCE = 2e-5
SWITCHES = list(
    itertools.product(
        ("learned", "rope"),
        ("layernorm", "rmsnorm"),
        ("gelu", "swiglu"),
        (False, True),
        (4, 2, 1),
        (True, False),
        (False, True),
    )
)


def grown(config: Config, seed: int = 0) -> Transformer:
    """A model with weights large enough that every part of it shows in the logits, gains that are not 1 included."""
    torch.manual_seed(seed)
    model = Transformer(config).eval()
    for name, parameter in model.named_parameters():
        is_gain = parameter.dim() == 1 and name.endswith("weight")
        torch.nn.init.normal_(parameter, float(is_gain), 0.06 if parameter.dim() == 2 else 0.2)
    return model


def weights_of(model: Transformer) -> Weights:
    return Weights.from_arrays(model.config, {name: tensor.numpy() for name, tensor in model.state_dict().items()})


@pytest.mark.parametrize(("position", "norm", "mlp", "qk_norm", "n_kv_head", "tied", "bias"), SWITCHES)
def test_logits_equal_torch_for_every_architecture(position, norm, mlp, qk_norm, n_kv_head, tied, bias) -> None:
    config = Config(
        n_layer=3, n_head=4, n_kv_head=n_kv_head, n_embd=64, n_inner=176, block_size=48, vocab_size=131,
        position=position, norm=norm, mlp=mlp, qk_norm=qk_norm, tied=tied, bias=bias,
    )  # fmt: skip
    model = grown(config)
    weights = weights_of(model)
    ids = torch.randint(0, config.vocab_size, (config.block_size,))
    with torch.no_grad():
        expected = model(ids[None])[0].numpy()
    whole = logits_everywhere(weights, ids.tolist())
    cache = Cache(config)
    one_by_one = np.array([forward(weights, [token], cache).copy() for token in ids.tolist()])
    cache = Cache(config)
    forward(weights, ids[:20].tolist(), cache)
    in_two_blocks = forward(weights, ids[20:].tolist(), cache)
    assert np.abs(expected).max() > 0.5  # or the comparison would say nothing
    assert np.abs(whole - expected).max() < LARGEST_DIFFERENCE
    assert np.abs(one_by_one - expected).max() < LARGEST_DIFFERENCE
    assert np.abs(in_two_blocks - expected[-1]).max() < LARGEST_DIFFERENCE


@pytest.mark.parametrize("length", [1, 2, 127, 128, 129, 300])
def test_a_prompt_of_any_length_equals_torch(length) -> None:
    config = Config(
        n_layer=2, n_head=2, n_kv_head=1, n_embd=32, n_inner=64, block_size=300, vocab_size=50, position="rope"
    )
    model = grown(config)
    ids = torch.randint(0, 50, (length,))
    with torch.no_grad():
        expected = model(ids[None])[0, -1].numpy()
    assert np.abs(forward(weights_of(model), ids.tolist(), Cache(config)) - expected).max() < LARGEST_DIFFERENCE


def test_scores_of_any_size_and_distance_attend_as_in_torch() -> None:
    T, H, D = 200, 2, 16
    torch.manual_seed(0)
    q, k, v = (torch.randn(H, T, D) for _ in range(3))
    q *= torch.logspace(-2, 2.5, T)[torch.randperm(T), None]  # some rows' scores reach hundreds, others nearly nothing
    k[:, 0] -= 3 * q[:, 150].sign()  # and one row lies far below all others wherever it looks
    q[:, 0] = 40 * torch.nn.functional.normalize(-k[:, 0], dim=-1)
    expected = torch.nn.functional.scaled_dot_product_attention(q.double(), k.double(), v.double(), is_causal=True)
    y = np.empty((T, H * D), np.float32)
    turned = q.transpose(0, 1).contiguous().numpy() / np.float32(np.sqrt(D))
    _attend(turned, k.numpy(), v.numpy(), 0, y)
    assert np.isfinite(y).all()
    assert np.abs(y.reshape(T, H, D) - expected.transpose(0, 1).numpy()).max() < 2e-4


def test_greedy_text_equals_torch_wherever_the_margin_allows() -> None:
    config = Config(
        n_layer=4, n_head=4, n_kv_head=2, n_embd=64, n_inner=128, block_size=128, vocab_size=97, mlp="swiglu"
    )
    model = grown(config, seed=3)
    weights, cache = weights_of(model), Cache(config)
    ids = [1, 2, 3]
    logits = forward(weights, ids, cache)
    sampler = Sampler(Sampling(temperature=0.0))
    compared = 0
    while len(ids) < config.block_size:
        with torch.no_grad():
            theirs = model(torch.tensor([ids]))[0, -1]
        first, second = theirs.topk(2).values.tolist()
        chosen = sampler.pick(logits.copy(), ids)
        if first - second > 4 * LARGEST_DIFFERENCE:
            assert chosen == int(theirs.argmax())
            compared += 1
        ids.append(int(theirs.argmax()))
        logits = forward(weights, [ids[-1]], cache)
    assert compared > 100


def test_the_config_names_exactly_the_tensors_of_the_torch_module() -> None:
    for position, norm, mlp, qk_norm, n_kv_head, tied, bias in SWITCHES:
        config = Config(
            n_layer=2, n_head=4, n_kv_head=n_kv_head, n_embd=32, n_inner=48, block_size=8, vocab_size=11,
            position=position, norm=norm, mlp=mlp, qk_norm=qk_norm, tied=tied, bias=bias,
        )  # fmt: skip
        shapes = {name: tuple(tensor.shape) for name, tensor in Transformer(config).state_dict().items()}
        assert shapes == tensor_shapes(config)


def test_dropout_of_attention_is_a_setting_of_its_own() -> None:
    config = Config(n_layer=1, n_head=2, n_kv_head=2, n_embd=16, n_inner=32, block_size=8, vocab_size=20)
    ids = torch.arange(8)[None]
    for dropout, attention_dropout, changes in ((0.0, 0.0, False), (0.0, 0.5, True), (0.5, 0.0, True)):
        torch.manual_seed(0)
        model = Transformer(config, dropout, attention_dropout).train()
        assert torch.equal(model(ids), model(ids)) != changes
    assert Transformer(config, 0.3).h[0].attn.attention_dropout == 0.3


def test_a_trace_equals_the_log_softmax_of_torch() -> None:
    config = Config(n_layer=2, n_head=4, n_kv_head=2, n_embd=64, n_inner=128, block_size=64, vocab_size=97)
    model = grown(config, seed=1)
    engine, never = Engine(weights_of(model)), [3, 96]
    ids = list(range(0, 60, 7))
    written, again = Trace(top=5), Trace(top=5)
    answer = list(engine.generate(ids, Sampling(temperature=2.0, max_tokens=40, seed=1), never=never, trace=written))
    engine.score(ids, answer, again, never=never)
    with torch.no_grad():
        logits = model(torch.tensor([ids + answer]))[0, len(ids) - 1 : -1].double()
    logits[:, never] = -torch.inf
    expected = logits.log_softmax(-1)
    entropies = torch.distributions.Categorical(logits=logits).entropy() / np.log(2)
    for trace in (written, again):
        assert [step.token for step in trace.steps] == answer
        for step, log_probabilities, entropy in zip(trace.steps, expected, entropies, strict=True):
            top = log_probabilities.topk(5)
            assert abs(step.log_probability - log_probabilities[step.token].item()) < LARGEST_DIFFERENCE
            assert abs(step.entropy - entropy.item()) < LARGEST_DIFFERENCE
            assert [i for i, _ in step.alternatives] == top.indices.tolist()
            assert np.abs(np.array([p for _, p in step.alternatives]) - top.values.numpy()).max() < LARGEST_DIFFERENCE


@pytest.mark.parametrize("position", ["learned", "rope"])
def test_a_text_packed_behind_another_is_read_as_if_it_stood_alone(position) -> None:
    config = Config(
        n_layer=2, n_head=2, n_kv_head=1, n_embd=16, n_inner=32, block_size=24, vocab_size=20, position=position
    )
    torch.manual_seed(0)
    model = Transformer(config, begin=1).eval()
    first, second, third = (torch.tensor([[*row]]) for row in ([7, 3, 4, 5], [1, 5, 4, 3, 9, 8], [1, 6]))
    with torch.no_grad():
        packed = model(torch.cat((first, second, third), dim=1))
        alone = torch.cat([model(row) for row in (first, second, third)], dim=1)
        model.begin = None
        seen = model(torch.cat((first, second, third), dim=1))
    assert torch.allclose(packed, alone, atol=1e-6)
    assert not torch.allclose(seen, alone, atol=1e-3)
