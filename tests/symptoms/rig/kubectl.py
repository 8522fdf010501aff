"""`kubectl` and kube-apiserver in one: gets a token from authd-token, and posts it to the webhook.

Logs a refusal as kube-apiserver does. Its arguments are the path of the webhook kubeconfig, the path of
kube-apiserver's log, arguments for authd-token, then `--` and kubectl's own arguments.
"""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from authd.emulator.kube_apiserver import post, token_review


def main() -> int:
    """Run a kubectl command."""
    kubeconfig, log, *arguments = sys.argv[1 : sys.argv.index("--")]
    minted = subprocess.run(["authd-token", *arguments, "--token-only"], stdout=subprocess.PIPE, text=True, check=False)
    if minted.returncode:
        sys.stderr.write(
            "Unable to connect to the server: getting credentials: exec: executable authd-token failed with exit code 1\n"
        )
        return 1
    problem = _ask(Path(kubeconfig), minted.stdout.strip())
    if problem is None:
        sys.stdout.write("No resources found in default namespace.\n")
        return 0
    stamp = time.strftime("E%m%d %H:%M:%S.000000")
    with Path(log).open("a") as out:
        out.write(f'{stamp}       1 authentication.go:73] "Unable to authenticate the request" err="{problem}"\n')
    sys.stderr.write("error: You must be logged in to the server (Unauthorized)\n")
    return 1


def _ask(kubeconfig: Path, token: str) -> str | None:
    """Return the webhook's reason for refusing the token, None if it accepts it."""
    cluster = yaml.safe_load(kubeconfig.read_text())["clusters"][0]["cluster"]
    authority = base64.b64decode(cluster["certificate-authority-data"]).decode()
    url = urlsplit(cluster["server"])
    context = ssl.create_default_context(cadata=authority)
    connection = http.client.HTTPSConnection(url.hostname, url.port, context=context, timeout=30)
    try:
        response = post(connection, url.path, token_review(token))
        body = response.read()
    except OSError as error:
        return f'[invalid bearer token, Post \\"{cluster["server"]}?timeout=30s\\": {error}]'
    if response.status != http.client.OK:
        return f"[invalid bearer token, the server answered {response.status}: {body.decode()}]"
    status = json.loads(body)["status"]
    return None if status["authenticated"] else f"[invalid bearer token, {status.get('error', '')}]"


if __name__ == "__main__":
    sys.exit(main())
