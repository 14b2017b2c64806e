"""A small training script: it learns nothing, but logs what a real one would, with runicorn's SDK.

The demo runs it on its "GPU server" with that server's own Python and runicorn.

    python training.py finished           two runs that are over
    python training.py live [SECONDS]     one run that logs a step a second, until it is ended
"""

from __future__ import annotations

import math
import random
import signal
import sys
import threading
from typing import Any

import runicorn

EXPERIMENT = "vision/cifar10"
STEPS_AN_EPOCH = 20
PARAMETERS = {"model": "resnet18", "optimizer": "sgd", "batch_size": 128, "augmentation": False, "steps": 300}
"""What the runs have in common unless it is said otherwise."""


def measure(step: int, rate: float, noise: random.Random) -> dict[str, float]:
    """Return the metrics of a step, of a model that learns at ``rate``."""
    progress = 1 - math.exp(-rate * step / 100)
    return {
        "loss": 2.3 * (1 - 0.92 * progress) + noise.gauss(0, 0.04),
        "accuracy": min(1.0, max(0.0, 0.1 + 0.84 * progress + noise.gauss(0, 0.01))),
        "learning_rate": 0.1 * 0.5 * (1 + math.cos(math.pi * min(step, 400) / 400)),
    }


def start(alias: str, **parameters: Any) -> Any:
    """Start a run whose output is kept as its log."""
    run = runicorn.init(path=EXPERIMENT, alias=alias, capture_console=True)
    run.log_config(args={**PARAMETERS, **parameters})
    run.set_primary_metric("accuracy", mode="max")
    return run


def log_step(run: Any, step: int, rate: float, noise: random.Random) -> None:
    """Log one step, and print a line at the end of each epoch."""
    metrics = measure(step, rate, noise)
    run.log(metrics, step=step)
    if step % STEPS_AN_EPOCH == 0:
        epoch = step // STEPS_AN_EPOCH
        print(f"epoch {epoch:3d}  loss {metrics['loss']:.4f}  accuracy {metrics['accuracy']:.4f}", flush=True)


def finished(steps: int = 300) -> None:
    """Make two runs that are over, to compare with."""
    for alias, rate in (("baseline", 0.6), ("with augmentation", 1.1)):
        noise = random.Random(alias)  # the same picture every time
        run = start(alias, augmentation=alias != "baseline", learning_rate=rate / 10)
        for step in range(1, steps + 1):
            log_step(run, step, rate, noise)
        run.summary({"parameters": 11_173_962, "rate": rate})
        run.finish()


def live(seconds: float) -> None:
    """Log a step a second for ``seconds``, or until a signal ends it."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    noise = random.Random("live")
    run = start("longer schedule", learning_rate=0.08, steps=int(seconds))
    step = 0
    while step < seconds and not ended.wait(1.0 if step >= STEPS_AN_EPOCH else 0.0):
        step += 1
        log_step(run, step, 0.8, noise)
    run.finish("interrupted" if ended.is_set() else "finished")


if __name__ == "__main__":
    if sys.argv[1] == "finished":
        finished()
    else:
        live(float(sys.argv[2]) if len(sys.argv) > 2 else 12 * 3600.0)
