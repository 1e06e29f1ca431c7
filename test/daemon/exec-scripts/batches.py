#!/usr/bin/env python3
# subprocess, with lists of words and with a batch on stdin.
import json, subprocess, sys

def ip(*words, **options):
    return subprocess.run(["ip", *words], text=True, capture_output=True, **options)

batch = """
link add left type veth peer name right  # a comment
link set left up
addr add 192.0.2.1/24 dev left
link add third mtu 1300 \\
  type veth peer name fourth
link set right up
"""
done = ip("-batch", "-", input=batch)
print("batch", done.returncode, done.stdout, done.stderr)
links = json.loads(ip("-j", "link", "show").stdout)
print(sorted((link["ifname"], link["mtu"]) for link in links))
print([a["local"] for a in json.loads(ip("-j", "-4", "addr", "show", "dev", "left").stdout)[0]["addr_info"]])
bad = ip("-b", "-", input="link add fifth type veth\nlink add left type veth\nlink add sixth type veth\n")
print("bad batch", bad.returncode, bad.stderr.splitlines()[0], bad.stderr.splitlines()[-1])
try:
    subprocess.check_call(["ip", "link", "add", "left", "type", "veth"], stderr=subprocess.DEVNULL)
except subprocess.CalledProcessError as error:
    print("refused", error.returncode)
for name in ("left", "third", "fifth"):
    subprocess.run(f"ip link delete {name}", shell=True, check=True)
print(ip("link", "show", "left").returncode)
sys.exit(3)
