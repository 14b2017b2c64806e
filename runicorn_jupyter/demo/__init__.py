"""Everything to try this extension with, on one machine: ``python -m runicorn_jupyter.demo``.

An SSH server on loopback, an environment with a real runicorn behind it, two finished training
runs and one that is logging right now, and JupyterLab with a notebook that connects to it all.
"""
