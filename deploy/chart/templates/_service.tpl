{{/*
One of KEA's gRPC services: ConfigMap, Deployment, Service, PodDisruptionBudget.

  root         $
  name         of the component, and of its image
  variables    what it is set by, for the ConfigMap
  database     whether it has tables
  account      its service account towards auth; empty: none
  ports        more ports than 9090, by name
  mounts       volumes: name, path, volume as in a pod
  secrets      names of Secrets that become its environment
  token        whether it speaks to Kubernetes
  alone        whether the old pod must have gone before the new one comes
  image        whose image it runs; empty: its own
  command      in place of the image's
*/}}
{{- define "kea.service" -}}
{{- $root := .root -}}
{{- $name := .name -}}
{{- $values := index $root.Values $name -}}
{{- $metrics := $root.Values.metrics.enabled -}}
{{- $variables := merge (dict) .variables -}}
{{- $prefix := printf "KEA_%s" (upper $name) -}}
{{- $_ := set $variables (printf "%s_ADDRESS" $prefix) "[::]:9090" -}}
{{- $_ := set $variables (printf "%s_HEALTH_ADDRESS" $prefix) "[::]:9092" -}}
{{- if $root.Values.mtls.enabled -}}
{{- $_ := set $variables (printf "%s_TLS_DIRECTORY" $prefix) (include "kea.mtlsDirectory" $root) -}}
{{- end -}}
{{- $protocol := $root.Values.mtls.enabled | ternary "https" "kubernetes.io/h2c" -}}
{{- $_ := set $variables (printf "%s_DRAIN_UNREADY_SECONDS" $prefix) "5" -}}
{{- $_ := set $variables (printf "%s_DRAIN_GRACE_SECONDS" $prefix) "20" -}}
{{- if $metrics -}}
{{- $_ := set $variables "KEA_METRICS_ADDRESS" "0.0.0.0:9464" -}}
{{- end -}}
{{- if .account -}}
{{- $_ := set $variables (printf "%s_CREDENTIAL_FILE" $prefix) (printf "/run/secrets/kea/%s" .account) -}}
{{- end -}}
apiVersion: v1
kind: ConfigMap
metadata:
  {{- include "kea.metadata" (list $root $name) | nindent 2 }}
data:
  {{- toYaml $variables | nindent 2 }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  {{- include "kea.metadata" (list $root $name) | nindent 2 }}
spec:
  replicas: {{ $values.replicas }}
  strategy:
    {{- if .alone }}
    type: Recreate
    {{- else }}
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
    {{- end }}
  selector:
    matchLabels:
      {{- include "kea.selector" (list $root $name) | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "kea.labels" (list $root $name) | nindent 8 }}
        {{- with $values.podLabels }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      annotations:
        kea.dev/configuration: {{ toYaml $variables | sha256sum }}
        {{- with $values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ if .token }}{{ include "kea.name" (list $root $name) }}{{ else }}{{ include "kea.fullname" $root }}{{ end }}
      automountServiceAccountToken: {{ default false .token }}
      terminationGracePeriodSeconds: 40
      {{- include "kea.podSettings" (dict "root" $root "component" $name "values" $values) | trim | nindent 6 }}
      containers:
        - name: {{ $name }}
          {{- include "kea.imageOf" (list $root (default $name .image)) | nindent 10 }}
          {{- with .command }}
          command: {{ toJson . }}
          {{- end }}
          {{- include "kea.containerSecurity" $root | nindent 10 }}
          envFrom:
            - configMapRef:
                name: {{ include "kea.name" (list $root $name) }}
            {{- range .secrets }}
            - secretRef:
                name: {{ . }}
            {{- end }}
          {{- if or .database $values.extraEnv }}
          env:
            {{- if .database }}
            {{- include "kea.databaseVariables" (list $root $name) | nindent 12 }}
            {{- end }}
            {{- with $values.extraEnv }}
            {{- toYaml . | nindent 12 }}
            {{- end }}
          {{- end }}
          ports:
            - {name: grpc, containerPort: 9090}
            - {name: health, containerPort: 9092}
            {{- range $port, $number := .ports }}
            - {name: {{ $port }}, containerPort: {{ $number }}}
            {{- end }}
            {{- if $metrics }}
            - {name: metrics, containerPort: 9464}
            {{- end }}
          {{- include "kea.grpcProbes" $root | nindent 10 }}
          resources:
            {{- toYaml $values.resources | nindent 12 }}
          volumeMounts:
            - {name: tmp, mountPath: /tmp}
            {{- if .account }}
            - {name: credential, mountPath: /run/secrets/kea, readOnly: true}
            {{- end }}
            {{- with include "kea.mtlsMount" $root }}
            {{- . | nindent 12 }}
            {{- end }}
            {{- range .mounts }}
            - name: {{ .name }}
              mountPath: {{ .path }}
              {{- if .readOnly }}
              readOnly: true
              {{- end }}
            {{- end }}
      volumes:
        - name: tmp
          emptyDir: {sizeLimit: 256Mi}
        {{- if .account }}
        - name: credential
          secret:
            secretName: {{ include "kea.credentialsSecret" $root }}
            defaultMode: 0440
            items:
              - {key: {{ .account }}, path: {{ .account }}}
        {{- end }}
        {{- with include "kea.mtlsVolume" (list $root $name) }}
        {{- . | nindent 8 }}
        {{- end }}
        {{- range .mounts }}
        - name: {{ .name }}
          {{- toYaml .volume | nindent 10 }}
        {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  {{- include "kea.metadata" (list $root $name) | nindent 2 }}
spec:
  selector:
    {{- include "kea.selector" (list $root $name) | nindent 4 }}
  ports:
    - {name: grpc, port: 9090, targetPort: grpc, appProtocol: {{ $protocol }}}
    {{- range $port, $number := .ports }}
    - {name: {{ $port }}, port: {{ $number }}, targetPort: {{ $port }}, appProtocol: {{ eq $port "login" | ternary ($root.Values.mtls.enabled | ternary "https" "http") $protocol }}}
    {{- end }}
    {{- if $metrics }}
    - {name: metrics, port: 9464, targetPort: metrics}
    {{- end }}
{{ include "kea.disruptionBudget" (list $root $name) }}
{{- end -}}
