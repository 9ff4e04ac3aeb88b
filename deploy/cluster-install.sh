#!/usr/bin/env bash
# Installs or upgrades KEA with the trial's values in the cluster of KUBECONFIG, waits, and tells how to reach it.
#   cluster-install.sh REGISTRY IMAGES [HELM ARGUMENTS …]
# KEA_RELEASE and KEA_NAMESPACE name the release and its namespace; both are kea by default.
set -euo pipefail

registry=$1 images=$2
shift 2
release=${KEA_RELEASE:-kea}
namespace=${KEA_NAMESPACE:-kea}
chart=$(cd "$(dirname "$0")" && pwd)/chart

for program in helm kubectl; do
  command -v "$program" >/dev/null || { echo "cluster-install: $program is needed" >&2; exit 1; }
done
if ! grep -qsxF "imageRegistry: $registry" "$images"; then
  echo "cluster-install: $images is not of $registry; run \`make images REGISTRY=$registry\` first" >&2
  exit 1
fi

in_namespace() { kubectl --namespace "$namespace" "$@"; }

if ! helm upgrade --install "$release" "$chart" --namespace "$namespace" --create-namespace \
  --values "$chart/values-trial.yaml" --values "$images" --wait --timeout 10m "$@" >&2; then
  # Helm does not say what it has waited for.
  {
    in_namespace get pods
    in_namespace get events --field-selector type=Warning --sort-by=.lastTimestamp | tail -n 20
  } >&2
  exit 1
fi

# Its objects, whatever the release is called.
component() { echo "app.kubernetes.io/instance=$release,app.kubernetes.io/component=$1"; }
service() { in_namespace get service --selector "$(component gateway)" --output "jsonpath={.items[0].$1}"; }

case $(service spec.type) in
  NodePort)
    host=$(kubectl get nodes --output \
      'jsonpath={.items[0].status.addresses[?(@.type=="ExternalIP")].address} {.items[0].status.addresses[?(@.type=="InternalIP")].address}')
    read -r host _ <<<"$host"
    address=http://$host:$(service 'spec.ports[0].nodePort')
    ;;
  LoadBalancer)
    host=$(service 'status.loadBalancer.ingress[0].ip')
    address=http://${host:-$(service 'status.loadBalancer.ingress[0].hostname')}:$(service 'spec.ports[0].port')
    ;;
  *)
    address="http://localhost:8080 after: kubectl -n $namespace port-forward svc/$(service metadata.name) 8080:$(service 'spec.ports[0].port')"
    ;;
esac
auth=$(in_namespace get deployment --selector "$(component auth)" --output 'jsonpath={.items[0].metadata.name}')
token=$(in_namespace exec "deployment/$auth" --container auth -- cat /run/kea/admin.token)

echo "address: $address"
echo "token: $token"
