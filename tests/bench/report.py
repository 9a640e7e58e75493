"""The measured figures as the table of the README: what was wanted, what was found.

Reads the JSON objects that the other modules print, one a line, from stdin.
"""

from __future__ import annotations

import json
import sys


def rows(m: dict[str, float]) -> list[tuple[str, str, str, bool]]:
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
        row("weights of 92 MB ready", 1e3 * m["load_seconds"], "{:.0f} ms", "60 ms", holds=m["load_seconds"] <= 0.06)
        kept = m["neighbour_adaptive_tokens_per_second"] / m["neighbour_one_tokens_per_second"]
        row("decode with a busy neighbour: beside one thread", kept, "{:.2f}", "0.90", holds=kept >= 0.9)
        us = m["sampling_microseconds"]
        row("one pick among 32,000 logits", us, "{:.0f} us", "60 us", holds=us <= 60)
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
    for box, limit in (("pyinstaller", 116), ("nuitka", 110)):
        if f"{box}_bytes" not in m:
            continue
        for what, key, unit, shown, most in (
            ("size", "bytes", 1e-6, "{:.0f} MB", limit),
            ("first output, warm", "first_output_seconds", 1, "{:.2f} s", 0.25),
            ("first token, warm", "first_token_seconds", 1, "{:.2f} s", 0.5),
            ("peak memory", "peak_memory_bytes", 1e-6, "{:.0f} MB", 330),
            ("temporary files", "temporary_bytes", 1e-6, "{:.0f} MB", 60),
        ):
            value = m[f"{box}_{key}"] * unit
            row(f"box by {box}: {what}", value, shown, shown.format(most), holds=value <= most)
    return found


def main() -> None:
    measured: dict[str, float] = {}
    for line in sys.stdin:
        measured |= json.loads(line)
    print("| what | measured | wanted | |\n| --- | --- | --- | --- |")
    for what, value, wanted, holds in rows(measured):
        print(f"| {what} | {value} | {wanted} | {'holds' if holds else '**falls short**'} |")


if __name__ == "__main__":
    main()
