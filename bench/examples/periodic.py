"""Calls again and again, until it is enough. Beside examples/07_periodic.rs."""
from twisted.internet.task import LoopingCall, react


def main(reactor):
    ticks = iter(range(1, 4))

    def tick():
        n = next(ticks, None)
        looping.stop() if n is None else print(f"tick {n}")

    looping = LoopingCall(tick)
    return looping.start(0.1)


react(main)
