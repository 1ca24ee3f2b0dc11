{{/*
anshin.pod: what every pod has, of a role or of the migration: who it runs as, what it may read, where it may write.

  root       the chart's context
  name       the container's name
  command    the binary's subcommand
  secrets    names of _secrets.tpl: what it may open
  resources  requests and limits
  volume     {name, path}, if it has one
  stable     true where a pod's name outlives the pod: its partitions wait for it
  ports      name → port
  probed     true for a process that stays, with an admin port
  preStop    true where requests come in that a load balancer still sends after the pod was asked to end
*/}}
{{- define "anshin.pod" -}}
{{- $values := .root.Values -}}
{{- $opened := (include "anshin.openedFiles" . | fromJson).files -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- /* Ten seconds for what is beside the drain: the kubelet, and the last words of the process. */}}
terminationGracePeriodSeconds: {{ add $values.config.shutdown.budget_seconds (ternary $values.preStopSeconds 0 (.preStop | default false)) 10 }}
{{- with $values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
containers:
  - name: {{ .name }}
    image: {{ include "anshin.image" .root | quote }}
    imagePullPolicy: {{ $values.image.pullPolicy }}
    args: [--config, /etc/anshin/config/anshin.toml, {{ .command }}]
    env:
      - name: RUST_LOG
        value: {{ $values.logFilter | quote }}
      {{- if .stable }}
      - name: ANSHIN__KAFKA__INSTANCE
        valueFrom:
          fieldRef:
            fieldPath: metadata.name
      {{- end }}
      {{- range $opened }}
      - name: ANSHIN__{{ .config | replace "." "__" | upper }}
        value: /etc/anshin/secrets/{{ .file }}
      {{- end }}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities:
        drop: [ALL]
    {{- if .probed }}
    ports:
      {{- range $name, $port := .ports }}
      - name: {{ $name }}
        containerPort: {{ $port }}
      {{- end }}
      - name: admin
        containerPort: 9090
    {{- /* The admin port opens once log and store are open: until then a long recovery is no failure. */}}
    startupProbe:
      httpGet: {path: /live, port: admin}
      periodSeconds: 5
      timeoutSeconds: 5
      failureThreshold: {{ div (add $values.startupSeconds 4) 5 }}
    {{- /* Asks the process alone, never what it depends on: starting it again mends nothing elsewhere. */}}
    livenessProbe:
      httpGet: {path: /live, port: admin}
      periodSeconds: 10
      timeoutSeconds: 5
      failureThreshold: 3
    readinessProbe:
      httpGet: {path: /ready, port: admin}
      periodSeconds: 5
      timeoutSeconds: 3
      failureThreshold: 2
    {{- end }}
    {{- if and .preStop $values.preStopSeconds }}
    lifecycle:
      preStop:
        sleep:
          seconds: {{ $values.preStopSeconds }}
    {{- end }}
    {{- with .resources }}
    resources:
      {{- toYaml . | nindent 6 }}
    {{- end }}
    volumeMounts:
      - name: config
        mountPath: /etc/anshin/config
        readOnly: true
      {{- if $opened }}
      - name: secrets
        mountPath: /etc/anshin/secrets
        readOnly: true
      {{- end }}
      {{- with .volume }}
      - name: {{ .name }}
        mountPath: {{ .path }}
      {{- end }}
      - name: tmp
        mountPath: /tmp
volumes:
  - name: config
    configMap:
      name: {{ .configMap | default (include "anshin.fullname" .root) }}
  {{- if $opened }}
  {{- /* A volume, not subPath: the kubelet brings a Secret's new content into it, and roles read their files again. */}}
  - name: secrets
    projected:
      defaultMode: 0440
      sources:
        {{- range $opened }}
        - secret:
            name: {{ .from }}
            items:
              - key: {{ .key }}
                path: {{ .file }}
        {{- end }}
  {{- end }}
  - name: tmp
    emptyDir:
      sizeLimit: 64Mi
{{- end }}
