"""An STS for demos and tests that listens on loopback only and really verifies Signature Version 4.

- In a reactor that runs: ``STSEmulator(reactor, directory, certificate_chain_pem=…, key_pem=…)`` of ``server``, with
  ``start()``, ``port``, ``inject(Fault.THROTTLE, times=2)``, ``clear()``, ``counters``, ``requests`` and ``stop()``.
- In a thread, where no reactor runs: ``with EmulatorThread(directory, …) as thread: thread.emulator…`` of ``thread``.
- As a child process: ``with EmulatorProcess() as emulator: emulator.port, emulator.ca, emulator.inject(…)`` of
  ``process``.
- From a shell: ``python -m authd.emulator --help``.

``sample`` has a small company to begin with, ``directory`` and ``directory_file`` say how to make another, ``faults``
what can go wrong.
"""
