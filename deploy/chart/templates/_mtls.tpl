{{/*
Mutual TLS between KEA's pods: one Secret per component, laid out as kubernetes.io/tls with ca.crt, whole in a directory.
Its files are those of the pod's group, in which nobody else is; Kubernetes renews them in place.
*/}}

{{/* (list $ "component"): whose Secret. Checks that there is one way to it. */}}
{{- define "kea.mtlsSecret" -}}
{{- $root := index . 0 -}}
{{- $mtls := $root.Values.mtls -}}
{{- $given := without (values $mtls.secrets) "" -}}
{{- if and $mtls.issuerRef.name $given -}}
{{- fail "mtls.issuerRef.name and mtls.secrets are both set; expected one of them" -}}
{{- else if $mtls.issuerRef.name -}}
{{- printf "%s-tls" (include "kea.name" .) -}}
{{- else if not $given -}}
{{- fail "mtls.enabled is set, and neither mtls.issuerRef.name nor mtls.secrets; expected one of them" -}}
{{- else -}}
{{- required (printf "mtls.secrets.%s must be set: the Secret with its tls.crt, tls.key and ca.crt" (index . 1)) (index $mtls.secrets (index . 1)) -}}
{{- end -}}
{{- end -}}

{{- define "kea.mtlsDirectory" -}}
/run/secrets/tls
{{- end -}}

{{/* $ */}}
{{- define "kea.mtlsMount" -}}
{{- if .Values.mtls.enabled -}}
- {name: tls, mountPath: {{ include "kea.mtlsDirectory" . }}, readOnly: true}
{{- end -}}
{{- end -}}

{{/* (list $ "component") */}}
{{- define "kea.mtlsVolume" -}}
{{- if (index . 0).Values.mtls.enabled -}}
- name: tls
  secret:
    secretName: {{ include "kea.mtlsSecret" . }}
    defaultMode: 0440
{{- end -}}
{{- end -}}
