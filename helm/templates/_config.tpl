{{/* The configuration file: one for all roles. What the chart decides itself stands above `config` in the values. */}}
{{- define "anshin.toml" -}}
{{- $values := .Values -}}
{{- $name := include "anshin.fullname" . -}}
{{- $sections := dict
  "line" (dict "channel_id" $values.line.channelId "account_id" $values.line.accountId "account_name" $values.line.accountName "bot_user_id" $values.line.botUserId)
  "ingest" (dict "listen" "0.0.0.0:8080")
  "console" (dict "listen" "0.0.0.0:8081")
  "venues" (dict "listen" "0.0.0.0:8083")
  "admin" (dict "listen" "0.0.0.0:9090") -}}
{{- if eq $values.mode "single" -}}
{{- $data := "embedded:///var/lib/anshin/data" -}}
{{- $sections = merge $sections (dict "log" (dict "url" $data) "store" (dict "url" $data)) -}}
{{- else -}}
{{- $sections = merge $sections (dict
  "log" (dict "url" (printf "kafka://%s" (join "," $values.kafka.brokers)))
  "store" (dict "url" (printf "cql://%s/%s" (join "," $values.cql.nodes) $values.cql.keyspace))
  "kafka" (dict "tls" $values.kafka.tls.enabled "sasl" $values.kafka.sasl.mechanism "username" $values.kafka.sasl.username "plain_text" $values.kafka.plainText)
  "cql" (dict "tls" $values.cql.tls.enabled "username" $values.cql.username "plain_text" $values.cql.plainText)
  "spool" (dict "dir" "/var/lib/anshin/spool")
  "preview" (dict "listen" "0.0.0.0:8082" "url" (printf "http://%s-preview:8082" $name))) -}}
{{- end -}}
{{- range $section, $keys := mergeOverwrite (deepCopy $values.config) $sections }}
[{{ $section }}]
{{- range $key, $value := $keys }}
{{ $key }} = {{ include "anshin.tomlValue" $value }}
{{- end }}
{{ end -}}
{{- end }}

{{/* A JSON string is a TOML string too. Whole numbers come out of YAML as floating point. */}}
{{- define "anshin.tomlValue" -}}
{{- if kindIs "string" . }}{{ toJson . }}
{{- else if kindIs "bool" . }}{{ . }}
{{- else if kindIs "slice" . -}}
[{{ range $at, $item := . }}{{ if $at }}, {{ end }}{{ include "anshin.tomlValue" $item }}{{ end }}]
{{- else }}{{ int64 . }}
{{- end -}}
{{- end }}
