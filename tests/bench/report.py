"""The measured figures as the table of the README: what was wanted, what was found.

Takes the JSON objects that the other modules print as its arguments.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def rows(m: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """(what, measured, wanted, whether it holds) of everything that was measured."""
    found: list[tuple[str, str, str, bool]] = []

    def row(what: str, value: float, shown: str, wanted: str, *, holds: bool) -> None:
        found.append((what, shown.format(value), wanted, holds))

    if "decode_64_tokens_per_second" in m:
        speed, torch = m["decode_64_tokens_per_second"], m["decode_64_torch_tokens_per_second"]
        row(f"decode, {m['cores']} threads: beside PyTorch eager with a KV cache ({torch:.0f} tokens/s)", speed / torch,
            f"{{:.2f}} times ({speed:.0f} tokens/s)", "2", holds=speed >= 2 * torch)  # fmt: skip
        share = speed * m["weights_bytes"] / m["bandwidth"]
        row(
            f"decode: share of the fp32 read bandwidth ({m['bandwidth'] / 1e9:.0f} GB/s)",
            share,
            "{:.0%}",
            "50%",
            holds=share >= 0.5,
        )
        loss = 1 - m["decode_1000_tokens_per_second"] / speed
        row("decode: speed lost from context 64 to 1000", loss, "{:.0%}", "at most 30%", holds=loss <= 0.3)
        prefill = m["prefill_512_torch_seconds"] / m["prefill_512_seconds"]
        row("prefill of 512 tokens: beside PyTorch", prefill, "{:.2f}", "0.85", holds=prefill >= 0.85)
        row("weights of 92 MiB ready", 1e3 * m["load_seconds"], "{:.0f} ms", "60 ms", holds=m["load_seconds"] <= 0.06)
        share, late = m["packed_share"], 1e3 * (m["load_packed_seconds"] - m["load_seconds"])
        row(f"the same packed, {share:.1%} as large: ready later by", late, "{:.0f} ms", "80 ms", holds=late <= 80)
        kept = m["neighbour_adaptive_tokens_per_second"] / m["neighbour_one_tokens_per_second"]
        row("decode with a busy neighbour: beside one thread", kept, "{:.2f}", "0.90", holds=kept >= 0.9)
        us = m["sampling_microseconds"]
        row("one pick among 32,000 logits", us, "{:.0f} us", "60 us", holds=us <= 60)
    if "server_speed" in m:
        ms, lost = 1e3 * m["server_first_token_seconds"], 1 - m["server_speed"]
        row("API: first token later than the engine's own", ms, "{:.1f} ms", "at most 10 ms", holds=ms <= 10)
        row("API: speed lost by streaming", lost, "{:.1%}", "at most 5%", holds=lost <= 0.05)
    if "tokenizer_lines" in m:
        different = m["tokenizer_different_lines"]
        row(
            f"BPE: lines of {m['tokenizer_lines']:,} that differ from SentencePiece",
            different,
            "{:.0f}",
            "0",
            holds=not different,
        )
        different = m["tokenizer_different_odd_strings"]
        row(
            f"BPE: odd strings of {m['tokenizer_odd_strings']:,} that differ",
            different,
            "{:.0f}",
            "0",
            holds=not different,
        )
        speed = m["tokenizer_cold_characters_per_second"]
        row("BPE: cold", speed / 1e6, "{:.1f} M characters/s", "1", holds=speed >= 1e6)
    if "tokenizer_foreign_settings" in m:
        settings, texts = m["tokenizer_foreign_settings"], m["tokenizer_foreign_texts"]
        different = m["tokenizer_foreign_different"]
        row(f"SentencePiece models of others, {settings} settings: of {texts:,} texts each, those that differ",
            different, "{:.0f}", "0", holds=not different)  # fmt: skip
    if "mill_characters" in m:
        speed, stages = m["mill_tokens_characters_per_second"], ("corpus", "vocabulary", "tokens")
        row(
            f"tokenising, {m['mill_processes']} processes",
            speed / 1e6,
            "{:.1f} M characters/s",
            "5",
            holds=speed >= 5e6,
        )
        minutes = sum(m["mill_characters"] / m[f"mill_{stage}_characters_per_second"] for stage in stages) / 60
        row(f"{m['mill_characters'] / 1e6:.0f} M characters from JSONL to token files", minutes, "{:.1f} min", "4",
            holds=minutes < 4)  # fmt: skip
    if "train_ratio" in m:
        ratio, where = m["train_ratio"], f"{m['train_recipe']}, {m['train_device']}"
        row(f"training ({where}, {m['train_tokens_per_second']:,.0f} tokens/s): beside plain fp32 code", ratio,
            "{:.1f} times", "2", holds=ratio >= 2)  # fmt: skip
        if "train_mfu" in m:
            row("training: model FLOPs utilisation", m["train_mfu"], "{:.0%}", "35%", holds=m["train_mfu"] >= 0.35)
    return found


def box_rows(m: dict[str, Any]) -> list[tuple[str, str, str, bool]]:
    """The same for one box with 92 MiB of weights, as build/measure_box.py measures it (in 10^6 bytes)."""
    nuitka = "nuitka" in m["box"]
    mebi = 1e6 / (1 << 20)
    goals = (
        ("size", m["size_mb"] * mebi, "{:.1f} MiB", 110 if nuitka else 116),
        ("first output, warm", m["first_output_s"], "{:.2f} s", 0.25),
        ("first token, warm", m["first_token_s"], "{:.2f} s", 0.5),
        ("peak memory", m["peak_pss_mb"] * mebi, "{:.0f} MiB", 330),
        ("temporary files", m["temp_mb"] * mebi, "{:.0f} MiB", 60),
    )
    packer = "Nuitka" if nuitka else "PyInstaller"
    return [
        (f"{packer} box with 92 MiB of weights: {what}", shown.format(value), shown.format(most), value <= most)
        for what, value, shown, most in goals
    ]


def main() -> None:
    measured: dict[str, Any] = {}
    boxes: list[tuple[str, str, str, bool]] = []
    for output in sys.argv[1:]:
        values = json.loads(output.strip().splitlines()[-1])  # warnings may stand before it
        if "box" in values:
            boxes += box_rows(values)
        else:
            measured |= values
    print("| what | measured | wanted | |\n| --- | --- | --- | --- |")
    for what, value, wanted, holds in [*rows(measured), *boxes]:
        print(f"| {what} | {value} | {wanted} | {'holds' if holds else '**falls short**'} |")


if __name__ == "__main__":
    main()
