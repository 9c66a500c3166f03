"""The rig: the whole service as real processes, driven at random from a seed, and checked over both ledgers.

stage.py runs the processes, driver.py is what happens to them, observer.py watches while it does, history.py has the
database write down every move of a row, gateway.py what was sent. checker.py judges the facts afterwards, kept.py keeps
them, mutants.py proves in scenes.py that the checker can fail.
"""
