"""Runs inside TransformerLens' own environment: patches layer x position whenever a line comes in.

Arguments: model folder, clean prompt, corrupted prompt, token ids of target and foil. Lines in: anything. Lines out:
a JSON object of seconds and the patched values `[layer, position]`.
"""

from __future__ import annotations

import json
import sys
import time

import torch
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.patching import get_act_patch_resid_pre
from transformers import AutoModelForCausalLM, AutoTokenizer


def main() -> None:
    folder, clean, corrupted, target, foil = sys.argv[1:6]
    answers = sys.stdout
    sys.stdout = sys.stderr  # what the library prints is not an answer
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    clean_ids, corrupted_ids = (tokenizer(text, return_tensors="pt").input_ids for text in (clean, corrupted))
    bridge = TransformerBridge.boot_transformers(folder, hf_model=model, tokenizer=tokenizer)
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        started = time.perf_counter()
        with torch.no_grad():
            _, cache = bridge.run_with_cache(clean_ids)
            patched = get_act_patch_resid_pre(
                bridge, corrupted_ids, cache, lambda logits: logits[0, -1, int(target)] - logits[0, -1, int(foil)]
            )
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "patched": patched.tolist()}), file=answers, flush=True)


if __name__ == "__main__":
    main()
