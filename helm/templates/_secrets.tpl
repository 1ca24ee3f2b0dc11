{{/*
Every secret that a process may read: the Secret and key it is in, its file's name in a pod, and the configuration key
that tells a role where it is. A pod gets the files and the keys of those that its role names, and hears of no others.
*/}}
{{- define "anshin.secretFiles" -}}
{{- with .Values }}
lineChannelSecrets:
  - {from: {{ .line.channelSecrets.existingSecret | quote }}, key: {{ .line.channelSecrets.key | quote }}, file: line-channel-secrets, config: line.channel_secrets_file}
visitorKeys:
  - {from: {{ .keys.visitors.existingSecret | quote }}, key: {{ .keys.visitors.key | quote }}, file: keys.json, config: keys.file}
placeKeys:
  - {from: {{ .keys.places.existingSecret | quote }}, key: {{ .keys.places.key | quote }}, file: places.json, config: keys.places_file}
preview:
  - {from: {{ .preview.existingSecret | quote }}, key: {{ .preview.key | quote }}, file: preview-secret, config: preview.secret_file}
mail:
  - {from: {{ .mail.ca.existingSecret | quote }}, key: {{ .mail.ca.key | quote }}, file: mail-ca.crt, config: mail.ca_file}
  - {from: {{ .mail.password.existingSecret | quote }}, key: {{ .mail.password.key | quote }}, file: mail-password, config: mail.password_file}
links:
  {{- with .kafka.tls }}
  - {from: {{ .ca.existingSecret | quote }}, key: {{ .ca.key | quote }}, file: kafka-ca.crt, config: kafka.ca_file}
  - {from: {{ .client.existingSecret | quote }}, key: {{ .client.certificate | quote }}, file: kafka.crt, config: kafka.certificate_file}
  - {from: {{ .client.existingSecret | quote }}, key: {{ .client.key | quote }}, file: kafka.key, config: kafka.key_file}
  {{- end }}
  - {from: {{ .kafka.sasl.password.existingSecret | quote }}, key: {{ .kafka.sasl.password.key | quote }}, file: kafka-password, config: kafka.password_file}
  - {from: {{ .cql.tls.ca.existingSecret | quote }}, key: {{ .cql.tls.ca.key | quote }}, file: cql-ca.crt, config: cql.ca_file}
  - {from: {{ .cql.password.existingSecret | quote }}, key: {{ .cql.password.key | quote }}, file: cql-password, config: cql.password_file}
{{- end }}
{{- end }}

{{/* Those of them that a role opens and that are set, as {"files": [...]}. Takes root and secrets. */}}
{{- define "anshin.openedFiles" -}}
{{- $all := include "anshin.secretFiles" .root | fromYaml -}}
{{- $files := list -}}
{{- range .secrets }}{{ range get $all . }}{{ if .from }}{{ $files = append $files . }}{{ end }}{{ end }}{{ end -}}
{{- dict "files" $files | toJson -}}
{{- end }}
