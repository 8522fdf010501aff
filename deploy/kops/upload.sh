#!/bin/sh
# Makes the certificates and the webhook kubeconfig on your machine, and uploads them to the kops state store.
#   KOPS_STATE_STORE=s3://BUCKET ./upload.sh my-cluster.example.com
# Needs authd and the AWS CLI. The files stay in ./authd-kops: keep ca-key.pem safe, or delete the folder afterwards.
set -eu

cluster=$1
: "${KOPS_STATE_STORE:?set it to the state store, such as s3://my-kops-state}"
folder=authd-kops

authd init --cluster-id "$cluster" --state-dir "$folder" --generate-kubeconfig "$folder/kubeconfig.yaml"
for file in ca.pem ca-key.pem cert.pem key.pem kubeconfig.yaml; do
    aws s3 cp "$folder/$file" "$KOPS_STATE_STORE/$cluster/addons/authd/$file"
done
