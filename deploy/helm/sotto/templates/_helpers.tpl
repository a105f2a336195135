{{- define "sotto.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "sotto.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "sotto.name" .) .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "sotto.name" .) | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "sotto.selectorLabels" -}}
app.kubernetes.io/name: {{ include "sotto.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "sotto.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "sotto.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}

{{- define "sotto.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "sotto.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "sotto.secretName" -}}
{{- if .Values.secrets.existingSecret }}
{{- .Values.secrets.existingSecret }}
{{- else }}
{{- if not (hasKey .Values.secrets.values "DATABASE_URL") }}
{{- fail "Name a secret with DATABASE_URL in secrets.existingSecret, or give secrets.values.DATABASE_URL." }}
{{- end }}
{{- include "sotto.fullname" . }}
{{- end }}
{{- end }}

{{- define "sotto.image" -}}
{{- $image := mergeOverwrite (deepCopy .root.Values.image) .image -}}
{{ $image.repository }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ $image.tagSuffix }}
{{- end }}

{{- define "sotto.pullPolicy" -}}
{{- (mergeOverwrite (deepCopy .root.Values.image) .image).pullPolicy }}
{{- end }}

{{/* A pool's values over workerDefaults, as YAML. Takes root and pool. */}}
{{- define "sotto.pool" -}}
{{- mergeOverwrite (deepCopy .root.Values.workerDefaults) (deepCopy .pool) | toYaml }}
{{- end }}

{{/* The models that any pool names: those beyond the catalogue have to be known to the API too. */}}
{{- define "sotto.models" -}}
{{- $models := list }}
{{- range $name, $pool := .Values.workerPools }}
{{- $merged := fromYaml (include "sotto.pool" (dict "root" $ "pool" $pool)) }}
{{- if $merged.enabled }}{{ $models = concat $models $merged.models }}{{ end }}
{{- end }}
{{- $models | uniq | join "," }}
{{- end }}

{{/* Variables from a map of the role's own over those of all pods. Takes root and env. */}}
{{- define "sotto.env" -}}
{{- $shared := dict "SOTTO_PAYLOADS" (required "payloads is missing: s3://bucket or s3://bucket/prefix." .root.Values.payloads) }}
{{- if .root.Values.s3.pathStyle }}{{ $_ := set $shared "SOTTO_S3_PATH_STYLE" "on" }}{{ end }}
{{- with .root.Values.s3.endpoint }}{{ $_ := set $shared "AWS_ENDPOINT_URL_S3" . }}{{ end }}
{{- with .root.Values.s3.region }}{{ $_ := set $shared "AWS_REGION" . }}{{ end }}
{{- range $name, $value := mergeOverwrite $shared .root.Values.env .env }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end }}

{{/* Of the pod: what all roles have. Takes root. */}}
{{- define "sotto.pod" -}}
serviceAccountName: {{ include "sotto.serviceAccountName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What makes pods start anew: their variables and the chart's own secret. */}}
{{- define "sotto.podAnnotations" -}}
checksum/secret: {{ toJson .Values.secrets.values | sha256sum }}
{{- with .Values.podAnnotations }}
{{ toYaml . }}
{{- end }}
{{- end }}
