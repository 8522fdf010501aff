"""An STS for demos and tests. It listens on loopback only and verifies Signature Version 4.

- In a running reactor: `STSEmulator(reactor, directory, certificate_chain_pem=…, key_pem=…)` of `server`, with
  `start()`, `port`, `inject(Fault.THROTTLE, times=2)`, `clear()`, `counters`, `requests` and `stop()`.
- In a thread, without a reactor: `with EmulatorThread(directory, …) as thread: thread.emulator…` of `thread`.
- As a child process: `with EmulatorProcess() as emulator: emulator.port, emulator.ca, emulator.inject(…)` of
  `process`.
- From a shell: `python -m authd.emulator --help`.

`directory.sample` is an example directory, `directory.json_file` describes its format, `faults.plan` lists the faults.
"""
