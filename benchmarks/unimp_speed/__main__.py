"""The command line; see the package."""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
from dataclasses import replace
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import torch

import benchmarks.unimp_speed as package
from benchmarks.unimp_speed import evaluation, memory, training
from benchmarks.unimp_speed.setting import CONFIG, SMALL, Setting
from unimp_bench.errors import BenchError
from unimp_bench.torch_setup import make_torchvision_importable

SECTIONS = ("train", "evaluate", "memory")


def main() -> None:
    """Print the machine and the tables of the wanted sections."""
    parser = argparse.ArgumentParser(description=package.__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("corpus", type=Path, help="folder of a built corpus with pictures")
    parser.add_argument("sections", nargs="*", metavar="SECTION", help=f"of {', '.join(SECTIONS)}; all")
    parser.add_argument("--small", action="store_true", help="a trial: narrow, few layers, a small vocabulary")
    parser.add_argument("--encoder", default=CONFIG.encoder, help="'tiny' or open_clip's name; random weights")
    parser.add_argument("--rounds", type=int, default=3, help="of training")
    parser.add_argument("--seconds", type=float, default=5.0, help="of each way in each round of training")
    parser.add_argument("--users", type=int, default=24, help="that OpenFlamingo answers, of each task")
    arguments = parser.parse_args()
    sections = arguments.sections or SECTIONS
    if unknown := set(sections) - set(SECTIONS):
        parser.error(f"there is no section {', '.join(sorted(unknown))}")
    config = replace(SMALL if arguments.small else CONFIG, encoder=arguments.encoder)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    card = torch.cuda.get_device_name(device) + ", bf16" if device.type == "cuda" else "no graphics card"
    print(f"{platform.machine()}, {os.cpu_count()} cores, {torch.get_num_threads()} threads of torch, {card}\n")
    make_torchvision_importable()
    try:
        # First: the largest of all, while this process holds nothing yet.
        if "memory" in sections:
            memory.measure(memory.SMALL if arguments.small else memory.Size())
        if "train" in sections or "evaluate" in sections:
            print(f"Width {config.width}, {config.layers} layers, pictures by {config.encoder}.\n")
            with tempfile.TemporaryDirectory() as cache:
                setting = Setting.of(arguments.corpus, config, Path(cache), device)
                if "train" in sections:
                    training.measure(setting, arguments.rounds, arguments.seconds)
                if "evaluate" in sections:
                    evaluation.measure(setting, arguments.users)
    except BenchError as error:
        parser.exit(1, f"{error}\n")


if __name__ == "__main__":
    main()
