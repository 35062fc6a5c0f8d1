"""The Python side of `python.ts`: reads `work argument...`, answers `count nanoseconds-or-bytes`."""

import sys
from time import perf_counter_ns


def switch(n, rounds):
    import gevent

    turns = 0
    opened = closed = (0, 0)

    def body(first, last):
        nonlocal turns, opened, closed
        gevent.sleep(0)
        turns += 1
        if first:
            opened = turns, perf_counter_ns()
        for _ in range(rounds):
            gevent.sleep(0)
            turns += 1
        if last:
            closed = turns, perf_counter_ns()
        gevent.sleep(0)

    gevent.joinall([gevent.spawn(body, i == 0, i == n - 1) for i in range(n)])
    return closed[0] - opened[0], closed[1] - opened[1]


def greenlet_ring(n, total):
    import greenlet

    turns = 0
    ring = []

    def body(i):
        nonlocal turns
        main.switch()
        while turns < total:
            turns += 1
            ring[(i + 1) % n].switch()
        main.switch()

    main = greenlet.getcurrent()
    for i in range(n):
        ring.append(greenlet.greenlet(lambda i=i: body(i)))
    # Started from main, not from each other: a greenlet inherits the recursion depth of who starts it.
    for each in ring:
        each.switch()
    start = perf_counter_ns()
    ring[0].switch()
    return turns, perf_counter_ns() - start


def spawn(alive, batches):
    import gevent

    ran = 0

    def empty():
        nonlocal ran
        ran += 1

    start = perf_counter_ns()
    for _ in range(batches):
        gevent.joinall([gevent.spawn(empty) for _ in range(alive)])
    return ran, perf_counter_ns() - start


def timeout(total):
    import gevent

    done = 0

    def work():
        nonlocal done
        for _ in range(total):
            gevent.Timeout.start_new(1000).close()
            done += 1

    start = perf_counter_ns()
    gevent.spawn(work).join()
    return done, perf_counter_ns() - start


def kill(n, guarded):
    import gevent

    cleaned = 0

    def plain():
        gevent.sleep(3600)

    def careful():
        nonlocal cleaned
        try:
            gevent.sleep(3600)
        finally:
            cleaned += 1

    ring = [gevent.spawn(careful if guarded else plain) for _ in range(n)]
    gevent.sleep(0)
    start = perf_counter_ns()
    gevent.killall(ring, block=False)
    gevent.joinall(ring)
    count = cleaned if guarded else sum(each.ready() for each in ring)
    return count, perf_counter_ns() - start


def pool(size, n):
    """size 0: any number."""
    from gevent.pool import Pool

    workers = Pool(size or None)
    items = [1] * n
    start = perf_counter_ns()
    results = workers.map(lambda x: x, items)
    return sum(results), perf_counter_ns() - start


def imap(size, n):
    from gevent.pool import Pool

    workers = Pool(size or None)
    items = [1] * n
    start = perf_counter_ns()
    total = sum(workers.imap(lambda x: x, items))
    return total, perf_counter_ns() - start


def sleepers(n):
    import gc
    import os

    import gevent

    def resident():
        gc.collect()
        with open('/proc/self/statm') as statm:
            return int(statm.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')

    asleep = 0

    def sleeper():
        nonlocal asleep
        asleep += 1
        gevent.sleep(3600)

    for _ in range(100):
        gevent.spawn(sleeper)
    gevent.sleep(0)
    before, already = resident(), asleep
    for _ in range(n):
        gevent.spawn(sleeper)
    gevent.sleep(0)
    return asleep - already, resident() - before


def hand(room, total):
    """room 0: a Channel; negative: an unbounded Queue."""
    import gevent
    from gevent.queue import Channel, Queue

    queue = Channel() if room == 0 else Queue(room if room > 0 else None)
    seen = 0

    def produce():
        for i in range(total):
            queue.put(i)

    def consume():
        nonlocal seen
        for _ in range(total):
            queue.get()
            seen += 1

    start = perf_counter_ns()
    gevent.joinall([gevent.spawn(produce), gevent.spawn(consume)])
    return seen, perf_counter_ns() - start


def ping_pong(total):
    import gevent
    from gevent.event import Event

    a, b = Event(), Event()
    seen = 0

    def body(mine, other):
        nonlocal seen
        for _ in range(total // 2):
            mine.wait()
            mine.clear()
            seen += 1
            other.set()

    a.set()
    start = perf_counter_ns()
    gevent.joinall([gevent.spawn(body, a, b), gevent.spawn(body, b, a)])
    return seen, perf_counter_ns() - start


def permits(total):
    import gevent
    from gevent.lock import Semaphore

    semaphore = Semaphore(1)
    seen = 0

    def body():
        nonlocal seen
        for _ in range(total):
            semaphore.acquire()
            seen += 1
            semaphore.release()

    start = perf_counter_ns()
    gevent.spawn(body).join()
    return seen, perf_counter_ns() - start


def passing(n, total):
    import gevent
    from gevent.lock import Semaphore

    turns = [Semaphore(1 if i == 0 else 0) for i in range(n)]
    seen = 0

    def body(i):
        nonlocal seen
        for _ in range(total // n):
            turns[i].acquire()
            seen += 1
            turns[(i + 1) % n].release()

    start = perf_counter_ns()
    gevent.joinall([gevent.spawn(body, i) for i in range(n)])
    return seen, perf_counter_ns() - start


def waking(n, times):
    import gevent
    from gevent.event import Event

    event = Event()
    seen = 0

    def body():
        nonlocal seen
        for _ in range(times):
            event.wait()
            seen += 1

    def setter():
        for _ in range(times):
            gevent.sleep(0)
            event.set()
            event.clear()

    start = perf_counter_ns()
    gevent.joinall([gevent.spawn(body) for _ in range(n)] + [gevent.spawn(setter)])
    return seen, perf_counter_ns() - start


def linking(n, times):
    import gevent
    from gevent.event import Event

    seen = 0

    def link(_):
        nonlocal seen
        seen += 1

    start = perf_counter_ns()
    for _ in range(times):
        event = Event()
        for _ in range(n):
            event.rawlink(lambda e: link(e))
        event.set()
        gevent.sleep(0)
    return seen, perf_counter_ns() - start


def local(total):
    import gevent
    from gevent.local import local

    mine = local()

    def work():
        mine.count = 0
        for _ in range(total):
            mine.count = mine.count + 1
        return mine.count

    start = perf_counter_ns()
    count = gevent.spawn(work).get()
    return count, perf_counter_ns() - start


def with_timeout(total):
    import gevent

    done = 0

    def nothing():
        return 1

    def work():
        nonlocal done
        for _ in range(total):
            done += gevent.with_timeout(1000, nothing)

    start = perf_counter_ns()
    gevent.spawn(work).join()
    return done, perf_counter_ns() - start


def killall(n):
    import gevent

    ring = [gevent.spawn(gevent.sleep, 3600) for _ in range(n)]
    gevent.sleep(0)
    start = perf_counter_ns()
    gevent.killall(ring)
    return sum(each.ready() for each in ring), perf_counter_ns() - start


def popen(pipes, at, total):
    import gevent
    from gevent.subprocess import PIPE, Popen

    left = total
    done = 0

    def body():
        nonlocal left, done
        while left > 0:
            left -= 1
            if pipes:
                p = Popen(['/bin/true'], stdin=PIPE, stdout=PIPE, stderr=PIPE)
                p.communicate()
            else:
                p = Popen(['/bin/true'])
                p.wait()
            done += p.returncode == 0

    start = perf_counter_ns()
    gevent.joinall([gevent.spawn(body) for _ in range(at)])
    return done, perf_counter_ns() - start


for line in sys.stdin:
    name, *arguments = line.split()
    print(*globals()[name](*map(int, arguments)), flush=True)
