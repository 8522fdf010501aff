"""Time of import and first token in a new interpreter: authd.client and other ways to make a token in Python.

    python benchmarks/library.py

Prints a table with medians in milliseconds. eks-token is measured if it is installed. Static keys, no network.
"""

from __future__ import annotations

import importlib.util
import os
import statistics
import subprocess
import sys

RUNS = 15
LIMIT_MS = 15.0
#: Invalid static keys.
ENVIRON = {
    "AWS_ACCESS_KEY_ID": "AKIAEXAMPLEEXAMPLE00",
    "AWS_SECRET_ACCESS_KEY": "benchmark",
    "AWS_REGION": "eu-west-1",
    "AWS_DEFAULT_REGION": "eu-west-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
OURS = "from authd.client import get_token; get_token('c').value"
SNIPPET = """
import base64, boto3
from botocore.signers import RequestSigner
session = boto3.session.Session()
client = session.client("sts", region_name="eu-west-1")
signer = RequestSigner(client.meta.service_model.service_id, "eu-west-1", "sts", "v4", session.get_credentials(),
                       session.events)
url = signer.generate_presigned_url(
    {"method": "GET", "body": {}, "context": {}, "headers": {"x-k8s-aws-id": "c"},
     "url": "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15"},
    region_name="eu-west-1", expires_in=60, operation_name="")
"k8s-aws-v1." + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")
"""
EKS_TOKEN = "from eks_token import get_token; get_token('c')"


def measure(code: str) -> float:
    """Return the duration of a program after the interpreter's start, in milliseconds."""
    timed = f"from time import perf_counter as now\nbegin = now()\n{code}\nprint((now() - begin) * 1e3)"
    environ = {**{name: value for name, value in os.environ.items() if not name.startswith("AWS_")}, **ENVIRON}
    done = subprocess.run([sys.executable, "-c", timed], env=environ, capture_output=True, text=True, check=True)
    return float(done.stdout)


def main() -> int:
    """Print the table. Returns 1 if authd.client needs longer than its limit."""
    programs = {"authd.client": OURS, "boto3 and RequestSigner": SNIPPET}
    if importlib.util.find_spec("eks_token"):
        programs["eks-token"] = EKS_TOKEN
    times: dict[str, list[float]] = {name: [] for name in programs}
    for _ in range(RUNS):
        for name, code in programs.items():
            times[name].append(measure(code))
    for name, values in times.items():
        print(f"{name:24} {statistics.median(values):8.1f} ms")
    return int(statistics.median(times["authd.client"]) > LIMIT_MS)


if __name__ == "__main__":
    sys.exit(main())
