{{- define "basalt.name" -}}
{{- printf "%s-orchestrator" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "basalt.labels" -}}
app.kubernetes.io/name: basalt-orchestrator
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "basalt.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "basalt.pod-security" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "basalt.security" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "basalt.environment" -}}
- name: BASALT_DATABASE
  valueFrom:
    secretKeyRef: {name: {{ .Values.existingSecret | quote }}, key: database}
- name: BASALT_SEALING_KEY
  valueFrom:
    secretKeyRef: {name: {{ .Values.existingSecret | quote }}, key: sealing-key}
{{- end -}}
