"""The shapes with Twisted's Deferred. deferred-bench runs this and asks through stdin; see peer.rs."""

import platform
import sys
from time import perf_counter_ns

try:
    import twisted
    from twisted.internet.defer import Deferred, ensureDeferred, succeed
except ImportError as error:
    print("missing", error, flush=True)
    sys.exit()

FIRED_IN_A_ROW = 1000
UNFIRED_AT_ONCE = 20


def plus(value, number):
    return value + number


def made_fired():
    deferred = succeed(2)
    deferred.addCallback(plus, 1)
    deferred.addCallback(plus, 2)
    deferred.addCallback(plus, 3)
    deferred.addCallback(plus, 4)
    return deferred


def fired_first():
    deferred = Deferred()
    deferred.callback(2)
    deferred.addCallback(plus, 1)
    deferred.addCallback(plus, 2)
    deferred.addCallback(plus, 3)
    deferred.addCallback(plus, 4)
    return deferred


def fired_at_end():
    deferred = Deferred()
    deferred.addCallback(plus, 1)
    deferred.addCallback(plus, 2)
    deferred.addCallback(plus, 3)
    deferred.addCallback(plus, 4)
    deferred.callback(2)
    return deferred


class Boom(Exception):
    pass


def fall(_):
    raise Boom("boom!")


def fall_again(failure):
    failure.trap(Boom)
    raise Boom("lesser boom!")


def swallow(_):
    return None


def errback_chain():
    deferred = succeed("result")
    deferred.addCallback(fall)
    deferred.addErrback(fall_again)
    deferred.addBoth(swallow)
    return deferred


def chained_fired():
    deferred, second, third = Deferred(), Deferred(), Deferred()
    second.callback(123)
    third.callback(456)
    deferred.addCallback(lambda _: second)
    deferred.addCallback(lambda _: third)
    deferred.callback(123)
    return deferred


def chained_not_fired():
    deferred, second, third, fourth = Deferred(), Deferred(), Deferred(), Deferred()
    # The third has fired, but its callback waits for the fourth.
    third.addCallback(lambda _: fourth)
    third.callback(123)
    deferred.addCallback(lambda _: second)
    deferred.addCallback(lambda _: third)
    second.callback(123)
    fourth.callback(57)
    deferred.callback(7)
    return deferred


async def sum_of_fired():
    total = 0
    for value in range(FIRED_IN_A_ROW):
        total += await succeed(value)
    return total


def await_fired():
    return ensureDeferred(sum_of_fired())


async def sum_of(deferreds):
    total = 0
    for deferred in deferreds:
        total += await deferred
    return total


def await_unfired():
    deferreds = [Deferred() for _ in range(UNFIRED_AT_ONCE)]
    total = ensureDeferred(sum_of(deferreds))
    for value, deferred in enumerate(deferreds):
        deferred.callback(value)
    return total


# The shape, how many operations one call is, and its result.
SHAPES = {
    "succeed": (made_fired, 1, 12),
    "fired-first": (fired_first, 1, 12),
    "fired-at-end": (fired_at_end, 1, 12),
    "errback-chain": (errback_chain, 1, None),
    "chained-fired": (chained_fired, 1, 456),
    "chained-not-fired": (chained_not_fired, 1, 57),
    "await-fired": (await_fired, FIRED_IN_A_ROW, sum(range(FIRED_IN_A_ROW))),
    "await-unfired": (await_unfired, UNFIRED_AT_ONCE, sum(range(UNFIRED_AT_ONCE))),
}


def repeat(shape, calls):
    """How many nanoseconds they take."""
    start = perf_counter_ns()
    for _ in range(calls):
        shape()
    return perf_counter_ns() - start


for name, (shape, _, right) in SHAPES.items():
    results = []
    shape().addCallback(results.append)
    if results != [right]:
        sys.exit(f"Twisted: {name} comes to {results}")
print(f"ready Twisted {twisted.__version__}, {platform.python_implementation()} {platform.python_version()}", flush=True)

for line in sys.stdin:
    name, count = line.split()
    shape, operations, _ = SHAPES[name]
    print(repeat(shape, -(-int(count) // operations)), flush=True)
