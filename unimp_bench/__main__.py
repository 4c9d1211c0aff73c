"""``python -m unimp_bench`` is the command ``unimp-bench``."""

from unimp_bench.cli.main import main

if __name__ == "__main__":
    main()
