"""The text of `authd-token --help`."""

from __future__ import annotations

HELP = """\
Usage: authd-token [token] -i CLUSTER [options]
       authd-token version | help | completion bash|zsh|fish

Print a credential for kubectl that proves an AWS IAM identity to the cluster CLUSTER.

What to sign:
  -i, --cluster-id ID     the cluster's id (or KUBERNETES_AWS_AUTHENTICATOR_CLUSTER_ID)
  -r, --role ARN          assume this role first (or DEFAULT_ROLE)
  -e, --external-id ID    external id for assuming the role
  -s, --session-name NAME session name for assuming the role
  --forward-session-name  carry the session name of the present credentials over to the role
  --duration TIME         how long the role's credentials last, such as 15m, 1h or 3600
  -c, --config FILE       take clusterID and defaultRole from a settings file

With which credentials, and where:
  --profile NAME          profile in the AWS shared files (or AWS_PROFILE)
  --region REGION         region of STS (or AWS_REGION, AWS_DEFAULT_REGION, the profile's)
  --endpoint HOST         host of STS, such as a VPC endpoint's, for the token and for calls

What to print:
  --token-only            the bare token instead of an ExecCredential
  --cache                 keep tokens and role credentials in ~/.kube/cache/authd (or AUTHD_CACHE_DIR)
  --clear-cache           delete them
  --why[=REFERENCE]       explain a refused login; REFERENCE is the code from authd's log, if you were given it
  -l, --log-format FORMAT text or json, for what is written to stderr
  -h, --help              this text
  --version               the version

Accepted from kubeconfigs of other programs: `eks get-token --cluster-name NAME --role-arn ARN --output json` as in the
AWS CLI, and without effect -v, --log-verbosity and --feature-gates as of aws-iam-authenticator.

Example, as the user of a kubeconfig:
  users:
  - name: me
    user:
      exec:
        apiVersion: client.authentication.k8s.io/v1
        command: authd-token
        args: [--cluster-id, my-cluster, --role, "arn:aws:iam::123456789012:role/KubernetesAdmin", --cache]
        interactiveMode: IfAvailable"""
