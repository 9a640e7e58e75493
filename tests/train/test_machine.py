from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest
import torch

from trainer import machine
from trainer.__main__ import main
from trainer.errors import StageError


def test_a_device_that_is_not_there_is_a_sentence(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert machine.device("auto") == machine.device("cpu") == "cpu"
    with pytest.raises(StageError, match="There is no CUDA device here"):
        machine.device("cuda:1")
    assert machine.device("cpu:0") == "cpu:0"
    with pytest.raises(StageError, match="There is no cpu:7 here: the last is cpu:0; --device cpu takes one"):
        machine.device("cpu:7")
    for unknown in ("tpu", "cpu:x", "mps", ""):
        with pytest.raises(StageError, match=f"The device {unknown} is not known"):
            machine.device(unknown)


def test_a_gpu_beyond_the_last_is_a_sentence(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert [machine.device(wish) for wish in ("auto", "cuda", "cuda:1")] == ["cuda", "cuda", "cuda:1"]
    with pytest.raises(StageError, match="There is no cuda:2 here: the last is cuda:1"):
        machine.device("cuda:2")


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="other CPUs have other instructions")
def test_a_cpu_without_avx512_is_slow_at_bf16() -> None:
    ask = "import torch; from trainer import machine; print(machine.multiplies_bf16('cpu'))"
    old = os.environ | {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    said = subprocess.run([sys.executable, "-c", ask], env=old, capture_output=True, text=True, check=True).stdout
    assert said == "False\n"
    assert machine.multiplies_bf16("cpu") == ("AVX512" in torch.backends.cpu.get_cpu_capability())


def test_a_gpu_that_only_emulates_bf16_is_slow_at_it(monkeypatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    assert not machine.multiplies_bf16("cuda:0")


def test_memory_that_runs_out_is_told_from_other_failures() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert machine.out_of_memory(caught.value)
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2) @ torch.ones(3)
    assert not machine.out_of_memory(caught.value)


def test_a_batch_too_large_for_the_machine_names_what_to_halve(tmp_path, monkeypatch, capsys) -> None:
    def too_much(*_args: object, **_options: object) -> None:
        torch.empty(1 << 60, dtype=torch.uint8)

    monkeypatch.setattr("trainer.pretrain.prepare", too_much)
    monkeypatch.setattr("trainer.vocabulary.load", lambda folder: None)
    monkeypatch.setattr(sys, "argv", ["trainer", "pretrain", "tiny", "--out", str(tmp_path), "--device", "cpu"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "halve the stage's batch_size" in " ".join(capsys.readouterr().out.split())


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # what torch warns itself of
def test_what_a_missing_compiler_raises_is_known(monkeypatch) -> None:
    import torch._inductor.config

    monkeypatch.setattr(torch._inductor.config.cpp, "cxx", ("/nowhere/g++",))
    compiled = torch.compile(lambda x: (x.sin() + 1).cos())
    with pytest.raises(machine.compile_errors()):
        compiled(torch.ones(3))
