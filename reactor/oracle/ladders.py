#!/usr/bin/env python3
"""Compares the ladders of new random programs with what Twisted's own Deferreds do.

  ladders.py [--held] SEED COUNT

For each program from this seed, the path that `lens --ladder --path` reads off the picture must be the callbacks that
Twisted has run, in order, with their inputs. Differences are printed, and the exit status is 1 if there is one.

It needs a Python with Twisted, and cargo. README.md beside it has the format of programs and traces.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent


def built(*names):
    """Builds a program, and returns its path."""
    command = ["cargo", "build", "--locked", "--quiet", "--message-format", "json", *names]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = map(json.loads, output.splitlines())
    return next(message["executable"] for message in messages if message.get("executable"))


def drawn(program, replay, lens, file):
    """What our Deferreds did, and the path of the ladder."""
    happened = subprocess.run([replay, "--trace", file], input=json.dumps(program), check=True, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL,
                              text=True).stdout
    path = subprocess.run([lens, file, "--ladder", "--path"], check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(happened), path.splitlines()


def main(arguments):
    if len(arguments) - (arguments[:1] == ["--held"]) != 2:
        sys.exit(__doc__)
    lens = built("-p", "deferred-lens", "--bin", "lens")
    replay = built("-p", "deferred-reactor", "--example", "deferred_replay")
    oracle = subprocess.run([sys.executable, HERE / "deferred_oracle.py", *arguments], check=True,
                            stdout=subprocess.PIPE, text=True).stdout
    cases = [json.loads(line) for line in oracle.splitlines()]
    different = 0
    with tempfile.TemporaryDirectory() as scratch:
        for case in cases:
            program, trace = case["program"], case["trace"]
            ours, path = drawn(program, replay, lens, f"{scratch}/trace.jsonl")
            runs = [f"{number} {way} {what}" for event, number, way, what in (it for it in trace if it[0] == "run")]
            if (ours, path) != (trace, runs):
                different += 1
                print(f"program: {json.dumps(program)}\nTwisted: {trace}\nours:    {ours}\nladder:  {path}\n")
    print(f"{' '.join(arguments)}: {len(cases)} programs, {different} differences")
    return 1 if different else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
