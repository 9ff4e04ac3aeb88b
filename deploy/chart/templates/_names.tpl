{{/* Names, labels and images. Those of one component take (list $ "component"). */}}

{{- define "kea.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := printf "%s-%s" .Release.Name $name -}}
{{- if .Values.fullnameOverride -}}
{{- $full = .Values.fullnameOverride -}}
{{- else if contains $name .Release.Name -}}
{{- $full = .Release.Name -}}
{{- end -}}
{{- /* Services' names have at most 63 characters, the longest component's name 17. */ -}}
{{- $full | trunc 45 | trimSuffix "-" -}}
{{- end -}}

{{- define "kea.name" -}}
{{- $root := index . 0 -}}
{{- printf "%s-%s" (include "kea.fullname" $root) (index . 1) -}}
{{- end -}}

{{- define "kea.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "kea.labels" -}}
{{- $root := index . 0 -}}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{ include "kea.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kea
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
{{- end -}}

{{- define "kea.metadata" -}}
name: {{ include "kea.name" . }}
namespace: {{ (index . 0).Release.Namespace }}
labels:
  {{- include "kea.labels" . | nindent 2 }}
{{- end -}}

{{- define "kea.image" -}}
{{- $root := index . 0 -}}
{{- $image := index $root.Values.images (index . 1) -}}
{{- $registry := required "imageRegistry must be set: where KEA's images are, HOST[:PORT][/PATH]" $root.Values.imageRegistry -}}
{{- printf "%s/%s:%s" $registry $image.repository (default $root.Chart.AppVersion $image.tag) -}}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "kea.databaseSecret" -}}
{{- if .Values.database.trial.enabled -}}
{{- if .Values.database.existingSecret -}}
{{- fail "database.existingSecret and database.trial.enabled are both set; expected one of them" -}}
{{- end -}}
{{- include "kea.name" (list . "database") -}}
{{- else -}}
{{- required "database.existingSecret must be set: a Secret with the URL of a PostgreSQL; or database.trial.enabled, to try KEA out" .Values.database.existingSecret -}}
{{- end -}}
{{- end -}}

{{- define "kea.credentialsSecret" -}}
{{- default (include "kea.name" (list . "service-accounts")) .Values.credentials.existingSecret -}}
{{- end -}}

{{/* Where audit events go: $. Empty: there are none. */}}
{{- define "kea.auditAddress" -}}
{{- if .Values.audit.enabled -}}
{{- default (include "kea.address" (list . "auth" 9093)) .Values.audit.collector -}}
{{- end -}}
{{- end -}}

{{/* Where a service is called: (list $ "component" port). */}}
{{- define "kea.address" -}}
{{- printf "%s:%v" (include "kea.name" (list (index . 0) (index . 1))) (index . 2) -}}
{{- end -}}
