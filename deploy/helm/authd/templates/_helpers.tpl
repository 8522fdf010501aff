{{- define "authd.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "authd.labels" -}}
app.kubernetes.io/name: authd
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- define "authd.selector" -}}
app.kubernetes.io/name: authd
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "authd.configMap" -}}
{{ .Values.existingConfigMap | default .Release.Name }}
{{- end -}}

{{/* The settings file. The init container writes the kubeconfig, and the daemon can't. */}}
{{- define "authd.settings" -}}
{{- $server := dict "kubeconfigPregenerated" true -}}
{{- range $name := list "mapRoles" "mapUsers" "mapAccounts" -}}
{{- with index $.Values $name }}{{ $_ := set $server $name . }}{{ end -}}
{{- end -}}
{{- if .Values.awsAuth.enabled -}}{{- $_ := set $server "backendMode" (list "MountedFile" "EKSConfigMap") -}}{{- end -}}
{{- $server = mergeOverwrite $server (deepCopy .Values.server) -}}
{{- toYaml (dict "clusterID" .Values.clusterID "server" $server) -}}
{{- end -}}
