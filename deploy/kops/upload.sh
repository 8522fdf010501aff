#!/bin/sh
# Makes the CA and the webhook kubeconfig on your machine, and uploads them to the kops state store. Each daemon signs its
# own certificate.
#   KOPS_STATE_STORE=s3://BUCKET ./upload.sh my-cluster.example.com
# Needs authd and the AWS CLI. The files stay in ./authd-kops: keep ca-key.pem safe, or delete the folder afterwards.
set -eu

cluster=${1:?usage: upload.sh CLUSTER}
: "${KOPS_STATE_STORE:?set it to the state store, such as s3://my-kops-state}"

authd init --cluster-id "$cluster" --out authd-kops --with-ca
for file in ca.pem ca-key.pem kubeconfig.yaml; do
    aws s3 cp "authd-kops/$file" "$KOPS_STATE_STORE/$cluster/addons/authd/$file"
done
