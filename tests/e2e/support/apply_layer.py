"""Puts a layer of an OCI image on a directory, as its specification says.

apply_layer.py LAYER DIRECTORY
"""

import os
import shutil
import subprocess
import sys
import tarfile

layer, root = sys.argv[1:]


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


with tarfile.open(layer, errors="surrogateescape") as tar:
    for member in tar:
        above, name = os.path.split(os.path.join(root, member.name))
        path = os.path.join(above, name)
        if name == ".wh..wh..opq":
            for below in os.listdir(above):
                remove(os.path.join(above, below))
        elif name.startswith(".wh."):
            remove(os.path.join(above, name[len(".wh."):]))
        elif not member.isdir() or not os.path.isdir(path) or os.path.islink(path):
            remove(path)
            if member.isdir():
                os.mkdir(path)
        else:
            for attribute in os.listxattr(path):
                os.removexattr(path, attribute)
subprocess.run(
    ["tar", "--xattrs", "--xattrs-include=*", "--exclude=.wh.*"]
    + ["--numeric-owner", "-xpf", layer, "-C", root],
    check=True,
)
