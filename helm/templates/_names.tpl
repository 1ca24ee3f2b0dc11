{{/* Names and labels. */}}

{{/* What every name begins with. Short enough for a StatefulSet's longest pod label after it. */}}
{{- define "anshin.fullname" -}}
{{- $name := .Release.Name -}}
{{- if not (contains .Chart.Name $name) }}{{ $name = printf "%s-%s" $name .Chart.Name }}{{ end -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end }}

{{/* What never changes: Kubernetes refuses other selectors for a workload that is there. Takes root and name. */}}
{{- define "anshin.selectorLabels" -}}
app.kubernetes.io/name: {{ .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .name }}
{{- end }}

{{/* For pods, which a new version of the chart alone must not start again. */}}
{{- define "anshin.podLabels" -}}
{{ include "anshin.selectorLabels" . }}
app.kubernetes.io/part-of: anshin
app.kubernetes.io/version: {{ .root.Values.image.tag | default .root.Chart.AppVersion | trunc 63 | trimAll "-_." | quote }}
{{- end }}

{{- define "anshin.labels" -}}
{{ include "anshin.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "anshin.image" -}}
{{- with .Values.image -}}
{{- if .digest }}{{ .repository }}@{{ .digest }}{{ else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}{{ end -}}
{{- end -}}
{{- end }}
