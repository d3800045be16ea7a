#!/usr/bin/env python3
"""Hostile peers: does the server, and does a client, do what RFC and documentation say, and live on?

    tests/hostile/run.py [NAME...]      names as unittest takes them: test_cuts, test_corpus.Frames

Nothing here depends on how fast this machine is; `make hostile` measures.
"""
import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
HERE = pathlib.Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

if __name__ == "__main__":
    every = sorted(path.stem for path in HERE.glob("test_*.py"))
    unittest.main(module=None, argv=[sys.argv[0], "-v", *(sys.argv[1:] or every)])
