#!/usr/bin/env python3
"""caller.py SOCKET: a client of the control API by its own hands, which stays the same process for all its requests.

Reads lines, answers each with a line of JSON:

    GET /v1/devices?netns=t1      the answer's status and body; PATCH PATH BODY likewise
    watch PATH                    watches a file for being opened (inotify; O_PATH does not count)
    opened                        how often the watched files were opened since
"""
import ctypes
import http.client
import json
import os
import socket
import sys

IN_OPEN, IN_NONBLOCK, EVENT_SIZE = 0x20, 0o4000, 16

libc = ctypes.CDLL(None, use_errno=True)
inotify = libc.inotify_init1(IN_NONBLOCK)


class Connection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(sys.argv[1])


connection = Connection("localhost")


def watch(path):
    if libc.inotify_add_watch(inotify, path.encode(), IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify_add_watch", path)
    return True


def opened():
    try:
        return len(os.read(inotify, 65536)) // EVENT_SIZE
    except BlockingIOError:
        return 0


def ask(method, path, body=None):
    headers = {"content-type": "application/json"} if body else {}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    return {"status": answer.status, "body": json.loads(answer.read())}


for line in sys.stdin:
    words = line.rstrip("\n").split(" ", 2)
    act = {"watch": watch, "opened": opened}.get(words[0])
    print(json.dumps(act(*words[1:]) if act else ask(*words)), flush=True)
