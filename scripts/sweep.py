"""Write a small sweep as runs of runicorn 0.6 or later, to try comparisons on: for notebooks/06.

Run it with the Python of an environment that has runicorn: ``python sweep.py ROOT [COUNT]``. What comes out
depends on the learning rate, a little on chance, and on nothing else.
"""

import math
import random
import sys

import runicorn

RATES, BATCHES, OPTIMIZERS, STEPS = (1e-4, 3e-4, 1e-3, 3e-3), (32, 64), ("adam", "sgd"), 5


def train(root: str, number: int, chance: random.Random) -> None:
    """Write one run."""
    lr = RATES[number % len(RATES)]
    run = runicorn.init(storage=root, path="sweep/lr", alias=f"trial-{number}", capture_env=False)
    run.set_primary_metric("loss", "min")
    run.log_config(
        args={
            "lr": lr,
            "batch": chance.choice(BATCHES),
            "optimizer": {"name": chance.choice(OPTIMIZERS), "decay": 0.01},
            "epochs": STEPS,
        },
        extra={"seed": number},
    )
    floor = 0.1 + 0.3 * abs(math.log10(lr / 1e-3)) + 0.02 * chance.random()
    for step in range(1, STEPS + 1):
        run.log({"loss": floor + math.exp(-step)}, step=step)
    run.finish()


def main() -> None:
    """Write as many runs as are asked for."""
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 200
    chance = random.Random(0)
    for number in range(count):
        train(sys.argv[1], number, chance)


if __name__ == "__main__":
    main()
