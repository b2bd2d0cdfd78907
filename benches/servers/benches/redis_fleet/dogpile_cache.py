"""A process of a fleet by dogpile.cache. What it reads and writes is what child.rs says."""

import os
import sys
import threading
import time

from dogpile.cache import make_region

url, lease = sys.argv[1], int(sys.argv[2])
# (The backend asks for the third one, where locks are distributed.)
arguments = {"url": url, "distributed_lock": True, "thread_local_lock": False}
if lease:
    arguments["lock_timeout"] = lease
region = make_region().configure("dogpile.cache.redis", expiration_time=3600, arguments=arguments)
output = threading.Lock()


def say(*words):
    with output:
        sys.stdout.write(" ".join(map(str, words)) + "\n")
        sys.stdout.flush()


def now():
    return time.clock_gettime_ns(time.CLOCK_MONOTONIC)


def get(key, millis):
    def create():
        say("creates", now())
        time.sleep(millis / 1000)
        say("created", now())
        return str(os.getpid())

    return region.get_or_create(key, create)


def get_once(key, millis, seen):
    began, value = now(), None
    while value is None:
        # An access that fails, as the client has had no reply in time, is made again.
        try:
            value = get(key, millis)
        except Exception:
            pass
    seen.append((began, now(), value))


def repeat(key, millis, seen):
    until = now() + millis * 1_000_000
    longest, errors, began = 0, 0, now()
    while began < until:
        try:
            get(key, 1)
        except Exception:
            errors += 1
        longest = max(longest, now() - began)
        # As the tasks of the others do.
        time.sleep(0)
        began = now()
    seen.append((longest, errors))


region.get("nothing")
say("ready")
for line in sys.stdin:
    what, key, tasks, millis = line.split()
    key, tasks, millis = "bench:" + key, int(tasks), int(millis)
    seen = []
    make = {"get": lambda: threading.Thread(target=get_once, args=(key, millis, seen)),
            "repeat": lambda: threading.Thread(target=repeat, args=(key, millis, seen))}[what]
    threads = [make() for _ in range(tasks)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # (Once all have it: the threads are not to wait for each other's lines.)
    if what == "get":
        for returned in seen:
            say("returned", *returned)
    else:
        say("longest", max(longest for longest, _ in seen), sum(errors for _, errors in seen))
    say("done")
