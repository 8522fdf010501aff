"""authd: log in to Kubernetes with AWS IAM."""

__version__ = "0.1.0"
