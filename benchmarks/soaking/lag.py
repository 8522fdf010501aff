"""Measures the health port's response times, in a separate process so that other work does not delay it.

soak.py starts it. By hand: python -m benchmarks.soaking.lag HEALTH-PORT SECONDS
"""

from __future__ import annotations

import http.client
import json
import sys
import time

#: Seconds between two requests.
_PAUSE_SECONDS = 0.05
_TIMEOUT_SECONDS = 30.0


def measure_lag(port: int, seconds: float) -> list[float]:
    """Return each response time in seconds."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_TIMEOUT_SECONDS)
    lags: list[float] = []
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        begin = time.perf_counter()
        connection.request("GET", "/livez")
        connection.getresponse().read()
        lags.append(time.perf_counter() - begin)
        time.sleep(_PAUSE_SECONDS)
    return lags


def percentiles(lags: list[float]) -> dict[str, float]:
    """Return the median, the 99th percentile and the maximum, in milliseconds."""
    ordered = sorted(lags)
    places = {"p50": 0.5, "p99": 0.99, "worst": 1.0}
    return {name: ordered[min(int(share * len(ordered)), len(ordered) - 1)] * 1000 for name, share in places.items()}


if __name__ == "__main__":
    print(json.dumps(percentiles(measure_lag(int(sys.argv[1]), float(sys.argv[2])))))
