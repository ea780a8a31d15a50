#!/usr/bin/env python3
"""The oracle of Deferreds: random programs over Twisted's own Deferred, and what happens in them.

  deferred_oracle.py SEED COUNT           COUNT cases from this seed, one a line: {"program": .., "trace": ..}
  deferred_oracle.py --held SEED COUNT    the same, with paused Deferreds given to others that wait
  deferred_oracle.py --run < programs     the traces of given programs, one a line

It needs Python and Twisted. README.md beside it has the format of programs and traces.
"""

import gc
import json
import random
import sys

from twisted.internet.defer import AlreadyCalledError, Deferred
from twisted.logger import globalLogBeginner, globalLogPublisher
from twisted.python.failure import Failure


class Named(Exception):
    """An error of a program: nothing but its name."""


class Unfair(Exception):
    """The program hands over a Deferred while one of its callbacks runs."""


def name_of(error):
    return error.args[0] if isinstance(error, Named) else type(error).__name__


class Run:
    """One run of one program."""

    def __init__(self):
        self.deferreds = {}
        self.trace = []
        self.unhandled = {}
        self.running = []
        self.fair = True

    def log(self, event):
        failure = event.get("log_failure")
        if failure is not None:
            # By identity: an error is one error, however many Deferreds it went through. Its traceback would keep
            # other Deferreds alive, whose errors would then never be reported.
            self.unhandled[id(failure.value)] = failure.value.with_traceback(None)
            failure.value.__context__ = None

    def go(self, program):
        # What an earlier program left behind does not belong to this trace.
        gc.collect()
        globalLogPublisher.addObserver(self.log)
        try:
            for operation, d, *operands in program:
                getattr(self, "do_" + operation)(d, *operands)
            self.deferreds.clear()
            # Twisted reports an unhandled failure when its Deferred is freed.
            while gc.collect():
                pass
        finally:
            globalLogPublisher.removeObserver(self.log)
        names = sorted(name_of(error) for error in self.unhandled.values())
        return [*self.trace, ["unhandled", names]]

    def do_new(self, d, canceller):
        self.deferreds[d] = Deferred(self.canceller(d, canceller) if canceller else None)

    def do_add(self, d, number, on, act):
        add = {"callback": Deferred.addCallback, "errback": Deferred.addErrback, "both": Deferred.addBoth}[on]
        add(self.deferreds[d], self.callback(d, number, act))

    def do_add2(self, d, number, act, other):
        self.deferreds[d].addCallbacks(self.callback(d, number, act), self.callback(d, number, other))

    def do_fire(self, d, value):
        self.fire(d, value)

    def do_fail(self, d, name):
        self.fire(d, Failure(Named(name)))

    def do_cancel(self, d):
        self.deferreds[d].cancel()

    def do_pause(self, d):
        self.deferreds[d].pause()

    def do_unpause(self, d):
        self.deferreds[d].unpause()

    def fire(self, d, result):
        try:
            self.deferreds[d].callback(result)
        except AlreadyCalledError:
            self.trace.append(["already", d])

    def canceller(self, d, what):
        def cancel(deferred):
            self.trace.append(["canceller", d])
            if what[0] == "value":
                deferred.callback(what[1])
            elif what[0] == "error":
                deferred.errback(Named(what[1]))

        return cancel

    def callback(self, d, number, act):
        def call(result):
            failed = isinstance(result, Failure)
            self.trace.append(["run", number, *(("err", name_of(result.value)) if failed else ("ok", result))])
            self.running.append(d)
            try:
                for kind, target, operand in act["do"]:
                    getattr(self, "do_" + kind)(target, operand)
                return self.outcome(result, *act["then"])
            finally:
                self.running.pop()

        return call

    def outcome(self, result, kind, operand=None):
        if kind == "raise":
            raise Named(operand)
        if kind == "wait":
            if operand in self.running:
                self.fair = False
                raise Unfair
            return self.deferreds[operand]
        return result if kind == "pass" else operand


def trace_of(program):
    """The trace, or None if the program hands over a Deferred while one of its callbacks runs."""
    run = Run()
    trace = run.go(program)
    return trace if run.fair else None


class Program:
    """A random program in the making. Each has a taste of its own: some pause a lot, some wait in long rows."""

    def __init__(self, rng, held):
        self.rng = rng
        self.held = held
        self.operations = []
        self.made = []
        self.waiter = {}  # the callback that is given this Deferred
        self.pauses = {}
        self.next_id = 0
        self.values = rng.choice([9, 9, 99, 10**12])
        self.waits = rng.choice([0.1, 0.3, 0.3, 0.5, 0.8])
        self.effects = rng.choice([[0], [0, 0, 1], [0, 1, 2], [0, 0, 0, 0, 1, 4]])
        self.weights = [rng.choice([4, 8, 12]), rng.choice([0, 2, 6]), rng.choice([1, 3, 6]), rng.choice([1, 3]),
                        rng.choice([0, 1, 1, 4]), rng.choice([0, 1, 1, 5]), rng.choice([1, 2, 6]), rng.choice([0, 1])]

    def generate(self):
        size = self.rng.choices(range(4), [15, 5, 2, 1])[0]
        deferreds = self.rng.randint(1, [3, 5, 9, 16][size])
        for _ in range(deferreds):
            self.new()
        if self.rng.random() < 0.1:
            self.row()
        for _ in range(self.rng.randint(*[(2, 7), (4, 14), (10, 30), (30, 70)][size])):
            kind = self.rng.choices(["add", "add2", "fire", "fail", "cancel", "pause", "unpause", "new"],
                                    self.weights)[0]
            getattr(self, kind)()
        # Whether Twisted reports what stays behind in a Deferred that was given away paused is of no interest.
        for d in self.waiter:
            self.operations += [["unpause", d]] * self.pauses.get(d, 0)
        return self.operations

    def new(self):
        d = len(self.made)
        self.made.append(d)
        kinds = [None, None, None, "nothing", ["value", self.value()], ["error", self.name()]]
        self.operations.append(["new", d, self.rng.choice(kinds)])

    def row(self):
        """Each waits for the next one; they are fired in any order, some by a cancel of the first."""
        ends = [d for d in self.made if self.is_free(d)]
        for d, other in zip(ends, ends[1:]):
            self.operations.append(["add", d, self.id(), "both", {"do": [], "then": ["wait", other]}])
            self.waiter[other] = d
        firings = [self.firing(d) for d in ends]
        self.rng.shuffle(firings)
        self.operations += firings[: self.rng.randint(0, len(firings))]

    def add(self):
        if (d := self.free()) is not None:
            on = self.rng.choice(["callback", "callback", "errback", "both"])
            self.operations.append(["add", d, self.id(), on, self.act(d)])

    def add2(self):
        if (d := self.free()) is not None:
            self.operations.append(["add2", d, self.id(), self.act(d), self.act(d)])

    def fire(self):
        self.operations.append(["fire", self.rng.choice(self.made), self.value()])

    def fail(self):
        self.operations.append(["fail", self.rng.choice(self.made), self.name()])

    def cancel(self):
        if (d := self.free()) is not None:
            self.operations.append(["cancel", d])

    def pause(self):
        if (d := self.free()) is not None:
            self.pauses[d] = self.pauses.get(d, 0) + 1
            self.operations.append(["pause", d])

    def unpause(self):
        paused = [d for d, count in self.pauses.items() if count]
        if paused:
            d = self.rng.choice(paused)
            self.pauses[d] -= 1
            self.operations.append(["unpause", d])

    def act(self, d):
        others = [k for k in self.made if k != d]
        count = self.rng.choice(self.effects) if others else 0
        # The same one may be fired twice.
        effects = [self.firing(self.rng.choice(others)) for _ in range(count)]
        return {"do": effects, "then": self.then(d)}

    def then(self, d):
        if self.rng.random() < self.waits:
            possible = [k for k in self.made if self.may_wait(d, k)]
            if possible:
                other = self.rng.choice(possible)
                self.waiter[other] = d
                return ["wait", other]
        return self.rng.choice([["return", self.value()], ["raise", self.name()], ["pass"]])

    def may_wait(self, d, other):
        """Nobody waits, in the end, for itself."""
        while d is not None:
            if d == other:
                return False
            d = self.waiter.get(d)
        return self.is_free(other) and (self.held or not self.pauses.get(other))

    def firing(self, d):
        return self.rng.choice([["fire", d, self.value()], ["fail", d, self.name()]])

    def is_free(self, d):
        return d not in self.waiter

    def free(self):
        free = [d for d in self.made if self.is_free(d)]
        # The first ones have the longest lives.
        return min(self.rng.choice(free), self.rng.choice(free)) if free else None

    def id(self):
        self.next_id += 1
        return self.next_id - 1

    def value(self):
        return self.rng.randint(0, self.values)

    def name(self):
        return self.rng.choice("ABCDEFGH")


def main(arguments):
    globalLogBeginner.beginLoggingTo([], redirectStandardIO=False, discardBuffer=True)
    # Only what the programs leave behind is looked through for garbage.
    gc.disable()
    gc.collect()
    gc.freeze()
    if arguments == ["--run"]:
        for line in sys.stdin:
            trace = trace_of(json.loads(line))
            if trace is None:
                sys.exit(f"a Deferred is handed over while its callbacks run: {line}")
            print(json.dumps(trace, separators=(",", ":")))
        return
    held = arguments[:1] == ["--held"]
    seed, count = map(int, arguments[1:] if held else arguments)
    rng = random.Random(seed)
    while count:
        program = Program(rng, held).generate()
        trace = trace_of(program)
        if trace is None:
            continue
        print(json.dumps({"program": program, "trace": trace}, separators=(",", ":")))
        count -= 1


if __name__ == "__main__":
    main(sys.argv[1:])
