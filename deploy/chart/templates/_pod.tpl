{{/* What all pods and containers have. */}}

{{/* (dict "root" $ "component" name "values" its values) */}}
{{- define "kea.podSettings" -}}
{{- $root := .root -}}
{{- $values := .values -}}
{{- with $root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
# Links would come as variables such as KEA_AUTH_PORT, which services take for settings they do not know.
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
affinity:
  {{- if $values.affinity }}
  {{- toYaml $values.affinity | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "kea.selector" (list $root .component) | nindent 14 }}
  {{- end }}
{{- with $values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end -}}

{{- define "kea.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
{{- end -}}

{{- define "kea.imageOf" -}}
image: {{ include "kea.image" . | quote }}
imagePullPolicy: {{ (index . 0).Values.imagePullPolicy }}
{{- end -}}

{{/*
Of gRPC's health protocol, on a port of its own: probes speak neither TLS nor tokens. A service is SERVING once all that
it needs to answer is there, and no longer when it is to end.
*/}}
{{- define "kea.grpcProbes" -}}
startupProbe:
  grpc: {port: 9092}
  periodSeconds: 1
  timeoutSeconds: 3
  failureThreshold: 300
readinessProbe:
  grpc: {port: 9092}
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  grpc: {port: 9092}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
{{- end -}}

{{/* (list $ "service"): where a service keeps its tables. */}}
{{- define "kea.databaseVariables" -}}
{{- $root := index . 0 -}}
{{- $prefix := printf "KEA_%s_DATABASE" (index . 1 | upper) -}}
- name: {{ $prefix }}_URL
  valueFrom:
    secretKeyRef:
      name: {{ include "kea.databaseSecret" $root }}
      key: {{ $root.Values.database.key }}
- name: {{ $prefix }}_SCHEMA
  value: kea_{{ index . 1 }}
- name: {{ $prefix }}_START_WAIT_SECONDS
  value: "240"
{{- end -}}

{{/* A volume as values describe one: (dict "storage" values.… "claim" name of a claim that is made). */}}
{{- define "kea.storageVolume" -}}
{{- if eq .storage.kind "emptyDir" -}}
emptyDir:
  sizeLimit: {{ .storage.size }}
{{- else -}}
persistentVolumeClaim:
  claimName: {{ default .claim .storage.existingClaim }}
{{- end -}}
{{- end -}}

{{/* The claim for it: (list $ "component" storage [whether several nodes may use it]). */}}
{{- define "kea.storageClaim" -}}
{{- $root := index . 0 -}}
{{- $storage := index . 2 -}}
{{- if and (eq $storage.kind "claim") (not $storage.existingClaim) }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  {{- include "kea.metadata" (list $root (index . 1)) | nindent 2 }}
spec:
  accessModes: [{{ if and (gt (len .) 3) (index . 3) }}ReadWriteMany{{ else }}ReadWriteOnce{{ end }}]
  {{- with $storage.storageClassName }}
  storageClassName: {{ . | quote }}
  {{- end }}
  resources:
    requests:
      storage: {{ $storage.size }}
{{- end }}
{{- end -}}

{{/* (list $ "component") */}}
{{- define "kea.disruptionBudget" -}}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "kea.metadata" . | nindent 2 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "kea.selector" . | nindent 6 }}
{{- end -}}
