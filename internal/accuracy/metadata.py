# Prints every Python distribution below a directory as importlib.metadata names it.
import importlib.metadata
import os
import sys

for folder, directories, files in os.walk(sys.argv[1]):
    if any(n.endswith((".dist-info", ".egg-info")) for n in directories + files):
        for d in importlib.metadata.distributions(path=[folder]):
            if d.metadata and d.metadata["Name"] and d.metadata["Version"]:
                print("python", d.metadata["Name"], d.metadata["Version"], sep="\t")
