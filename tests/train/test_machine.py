from __future__ import annotations

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
    for unknown in ("tpu", "cpu:x", "mps", ""):
        with pytest.raises(StageError, match=f"The device {unknown} is not known"):
            machine.device(unknown)


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
