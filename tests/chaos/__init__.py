"""Chaos tests: the whole service as real processes, faults at random from a seed, and a check of all ledgers.

environment.py runs the processes, gateways.py those of the gateways. driver.py lets things happen: workload.py calls
the API, fault_driver.py and gateway_fault_driver.py inject faults. observer.py takes snapshots meanwhile;
row_history.py has the database record every change of a row, gateway.py every request and look-up. checker.py checks
the facts afterwards, and facts_files.py stores them. mutants.py runs faulty workers in scenarios.py, which the checker
must catch. failover.py measures how soon others take the messages of a gateway that dies.
"""
