"""A training script as people write them, for any runicorn from 0.5 on; run by the tests, not imported.

Its one argument is JSON: ``root``, ``count``, ``steps``, ``project``, ``live``, ``params`` (what each
run has beside the others; may be empty), ``code`` (a folder of which each run keeps its own version, or
null). It prints the ids of its runs as JSON. With ``live`` the last
run stays running: each line on stdin is a wish (``{"text": …}``, ``{"step": true}`` or
``{"log": {NAME: VALUE}}``), answered by ``ok``, and the end of stdin ends the run.
"""

import inspect
import json
import math
import sys
from pathlib import Path

import runicorn


def start(options, number):
    """Open one run, by the arguments that this runicorn's ``init`` knows."""
    name = f"run-{number}"
    known = inspect.signature(runicorn.init).parameters
    where = {"project": options["project"], "name": name}
    if "path" in known:
        where = {"path": options["project"] + "/" + name, "alias": name}
    if options["code"] and "snapshot_code" in known:
        Path(options["code"], "train.py").write_text(f"seed = {number}")
        where.update(snapshot_code=True, workspace_root=options["code"])
    return runicorn.init(storage=options["root"], capture_env=False, **where)


def log_step(run, step):
    """Log what a training loop logs."""
    run.log({"loss": math.exp(-step / 10.0), "accuracy": 1 - math.exp(-step / 10.0)}, step=step)


def main():
    """Write the runs; see the module's docstring."""
    options = json.loads(sys.argv[1])
    printed = sys.stdout
    sys.stdout = sys.stderr  # runicorn's own messages are not the answer
    runs = []
    for number in range(options["count"]):
        run = start(options, number)
        run.set_primary_metric("accuracy", "max")
        if hasattr(run, "log_config"):  # 0.6 and later
            args = {"lr": 0.001, "model": {"depth": 3}, "layers": [64, 64]}
            own = options["params"][number] if options["params"] else {}
            run.log_config(args=args, extra={"seed": number, **own})
        for step in range(1, options["steps"] + 1):
            log_step(run, step)
        run.log_text(f"trained {options['steps']} steps")
        run.summary({"best_accuracy": 0.9})
        runs.append(run)
        if not options["live"] or number < options["count"] - 1:
            run.finish()
    print(json.dumps([run.id for run in runs]), file=printed, flush=True)
    step = options["steps"]
    for line in sys.stdin if options["live"] else ():
        wish = json.loads(line)
        if "text" in wish:
            run.log_text(wish["text"])
        elif "log" in wish:
            step += 1
            run.log(wish["log"], step=step)
        else:
            step += 1
            log_step(run, step)
        print("ok", file=printed, flush=True)
    if options["live"]:
        run.finish()


if __name__ == "__main__":
    main()
