"""All that is sent to a remote and runs there.

Python >= 3.8 and the standard library; imports nothing of ours from outside of this package.
"""
