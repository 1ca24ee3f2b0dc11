{{/* Not empty if a host:port is this machine's. */}}
{{- define "anshin.isLoopback" -}}
{{- if regexMatch "^(localhost|127\\.[0-9]+\\.[0-9]+\\.[0-9]+|\\[::1\\]):[0-9]+$" . }}yes{{ end -}}
{{- end }}

{{/* Refuses the hosts of a link that would be reached without TLS. Takes section, key and values. */}}
{{- define "anshin.refusePlainText" -}}
{{- $link := . -}}
{{- if not (or .values.tls.enabled (eq .values.plainText "to any host")) -}}
{{- range get .values .key -}}
{{- if not (include "anshin.isLoopback" .) -}}
{{- fail (printf "%s.%s: %s would be reached without TLS: set %s.tls.enabled to true, or say in words that it may, %s.plainText: to any host" $link.section $link.key . $link.section $link.section) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{/* A size as values.schema.json allows it, in bytes. */}}
{{- define "anshin.bytes" -}}
{{- $unit := dict "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 -}}
{{- mul (regexFind "^[0-9]+" . | int64) (get $unit (regexFind "[MGT]i$" .)) -}}
{{- end }}

{{/* Services' names begin with a letter and have no dots; releases' may. */}}
{{- define "anshin.refuseName" -}}
{{- if not (regexMatch "^[a-z][a-z0-9-]*$" .Release.Name) -}}
{{- fail (printf "the release is called %s, which can't begin the name of a Service: choose one of small letters, digits and hyphens that begins with a letter" .Release.Name) -}}
{{- end -}}
{{- end }}
