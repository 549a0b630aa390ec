"""Runs as a zygote would, on orders in JSON, a line each: what the tests of `kata.student.confine` talk to.

It is passed to an interpreter by `-c`, for in a sandbox its file isn't there.
"""

import glob
import json
import os
import select
import sys
import traceback

from kata.student import confine, kernel

nodes = {}


def spawn(code, confinement):
    c = confine.Confinement(**confinement)
    read_end, write_end = os.pipe()
    pid = confine.fork(c)
    if pid == 0:
        become(code, c, write_end)
    os.close(write_end)
    nodes[pid] = (c, read_end)
    return pid


def become(code, c, output):
    try:
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.dup2(os.open("/dev/null", os.O_RDONLY), 0)
        os.closerange(3, 64)
        active = confine.confine(c)
        exec(code, {"__name__": "student", "active": active})
        sys.stdout.flush()
    except BaseException:
        sys.stdout.flush()
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(0)


def line(pid, seconds=10.0):
    return read(pid, seconds, until=b"\n")


def rest(pid, seconds=10.0):
    return read(pid, seconds, until=None)


def read(pid, seconds, until):
    data = b""
    while until is None or not data.endswith(until):
        if not select.select([nodes[pid][1]], [], [], seconds)[0]:
            return data.decode(errors="replace") + f"\n(nothing more within {seconds} s)"
        part = os.read(nodes[pid][1], 1 if until else 65536)
        if not part:
            break
        data += part
    return data.decode(errors="replace")


def destroy(pid):
    c, read_end = nodes.pop(pid)
    status = confine.destroy(c, pid)
    os.close(read_end)
    return status


def evaluate(expression):
    return eval(expression, {"glob": glob, "os": os, "sys": sys, "kernel": kernel, "nodes": nodes})


def main():
    confine.prepare()
    orders = {"spawn": spawn, "line": line, "rest": rest, "destroy": destroy, "evaluate": evaluate}
    for text in sys.stdin:
        name, arguments = json.loads(text)
        try:
            reply = {"value": orders[name](*arguments)}
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"}
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


main()
