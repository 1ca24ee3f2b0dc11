{{/*
anshin.component: all that one role consists of: workload, services, disruption budget. A role's own file is this call.

  root       the chart's context
  name       the component's label and part of every name; the binary's subcommand too
  kind       StatefulSet, where pods keep name or volume; otherwise Deployment
  values     its section of the values: resources, and replicas unless there is always one
  secrets    names of _secrets.tpl: what it opens. In a cluster, those for Kafka and CQL come by themselves
  ports      name → port; each gets a Service of that name
  volume     {name, path, size, storageClassName}, of a StatefulSet; it stays when pod or release go
  preStop    true where visitors' or officials' requests come in
*/}}
{{- define "anshin.component" -}}
{{- $root := .root -}}
{{- $component := . -}}
{{- $fullname := printf "%s-%s" (include "anshin.fullname" .root) .name -}}
{{- $replicas := .values.replicas | default 1 | int -}}
{{- $stateful := eq .kind "StatefulSet" -}}
{{- $cluster := eq .root.Values.mode "cluster" -}}
{{- $secrets := ternary (concat (.secrets | default list) (list "links")) .secrets $cluster -}}
{{- $pod := merge (dict "command" .name "secrets" $secrets "resources" .values.resources "probed" true "stable" (and $stateful $cluster)) . -}}
apiVersion: apps/v1
kind: {{ .kind }}
metadata:
  name: {{ $fullname }}
  labels:
    {{- include "anshin.labels" . | nindent 4 }}
spec:
  replicas: {{ $replicas }}
  selector:
    matchLabels:
      {{- include "anshin.selectorLabels" . | nindent 6 }}
  {{- if $stateful }}
  serviceName: {{ $fullname }}-headless
  podManagementPolicy: Parallel
  {{- with .volume }}
  persistentVolumeClaimRetentionPolicy:
    whenDeleted: Retain
    whenScaled: Retain
  volumeClaimTemplates:
    - apiVersion: v1
      kind: PersistentVolumeClaim
      metadata:
        name: {{ .name }}
        labels:
          {{- include "anshin.selectorLabels" $component | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        {{- with .storageClassName }}
        storageClassName: {{ . }}
        {{- end }}
        resources:
          requests:
            storage: {{ .size }}
  {{- end }}
  {{- end }}
  template:
    metadata:
      labels:
        {{- include "anshin.podLabels" . | nindent 8 }}
      annotations:
        {{- /* The file is read at the start only. */}}
        checksum/config: {{ include "anshin.toml" .root | sha256sum }}
    spec:
      {{- include "anshin.pod" $pod | nindent 6 }}
      {{- if gt $replicas 1 }}
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - topologyKey: {{ . }}
          maxSkew: 1
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "anshin.selectorLabels" $component | nindent 14 }}
          matchLabelKeys: [{{ ternary "controller-revision-hash" "pod-template-hash" $stateful }}]
        {{- end }}
      {{- end }}
{{- if $stateful }}
---
# Pods' names for the StatefulSet; no port leads anywhere.
apiVersion: v1
kind: Service
metadata:
  name: {{ $fullname }}-headless
  labels:
    {{- include "anshin.labels" . | nindent 4 }}
spec:
  clusterIP: None
  selector:
    {{- include "anshin.selectorLabels" . | nindent 4 }}
{{- end }}
{{- range $name, $port := .ports }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ include "anshin.fullname" $root }}-{{ $name }}
  labels:
    {{- include "anshin.labels" $component | nindent 4 }}
spec:
  type: ClusterIP
  selector:
    {{- include "anshin.selectorLabels" $component | nindent 4 }}
  ports:
    - name: {{ $name }}
      port: {{ $port }}
      targetPort: {{ $name }}
      appProtocol: http
{{- end }}
{{- if gt $replicas 1 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $fullname }}
  labels:
    {{- include "anshin.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "anshin.selectorLabels" . | nindent 6 }}
{{- end }}
{{- end }}
