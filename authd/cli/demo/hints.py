"""Commands to try with the demonstration's daemon, for another terminal."""

from __future__ import annotations

import shlex
from pathlib import Path

from authd.cli.demo.daemon_process import script
from authd.cli.demo.demonstration import Demonstration
from authd.cli.demo.scenario import ADMIN_ROLE, BOB, CLUSTER_ID
from authd.emulator.directory.sample import ALICE_KEY

_HINTS = """
The daemon runs until you press Ctrl-C. In another terminal:

  # alice's keys, which are valid at the emulator only
  export {variables}
  export PATH={scripts}:$PATH

  # a credential as kubectl gets it, then one for an assumed role
  authd-token -i {cluster_id}
  authd-token -i {cluster_id} -r {admin_role}

  # verify a token step by step
  authd-token -i {cluster_id} --token-only | authd verify -c {settings} -t -

  # a TokenReview as kube-apiserver posts it
  curl -s --cacert {folder}/state/ca.pem {url} -d '{{"apiVersion": "authentication.k8s.io/v1",
    "kind": "TokenReview", "spec": {{"token": "'$(authd-token -i {cluster_id} --token-only)'"}}}}'; echo

  # show the mapping of an ARN, without a call to STS
  authd explain -c {settings} {bob}

  # the daemon's state, and the refused logins
  authd status -c {settings}
  authd why --since 1h -c {settings} --file {folder}/log/daemon.log

  # readiness, the log, and the settings file to edit
  curl -s {health}/readyz
  tail -f {folder}/log/daemon.log
  ${{EDITOR:-vi}} {settings}
"""


def hints(demonstration: Demonstration) -> str:
    """Return the commands, with this run's paths and ports."""
    variables = demonstration.mint.environment(ALICE_KEY).items()
    return _HINTS.format(
        variables=" \\\n    ".join(f"{name}={shlex.quote(value)}" for name, value in variables),
        scripts=Path(script("authd-token")).parent,
        cluster_id=CLUSTER_ID,
        admin_role=ADMIN_ROLE,
        settings=demonstration.settings,
        folder=demonstration.settings.parent,
        url=demonstration.webhook.url,
        bob=BOB,
        health=demonstration.health,
    )
