// Reads a kops cluster as `kops replace` does, refuses unknown fields, and prints as JSON the flags that kops would give
// kube-apiserver, the units of the hooks, and the addon for AWS IAM logins. Usage: kops-check CLUSTER.yaml
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"k8s.io/kops/pkg/apis/kops"
	"k8s.io/kops/pkg/apis/kops/v1alpha2"
	"k8s.io/kops/pkg/flagbuilder"
	"k8s.io/kops/pkg/kopscodecs"
	"k8s.io/kops/upup/models"
	"sigs.k8s.io/yaml"
)

const (
	addon = "cloudup/resources/addons/authentication.aws/k8s-1.12.yaml.template"
)

// parts are what kops would make of a cluster.
type parts struct {
	Flags []string          `json:"flags"`
	Units map[string]string `json:"units"`
	Addon string            `json:"addon"`
}

// read decodes a cluster, and refuses fields that kops does not know.
func read(text []byte) (*kops.Cluster, error) {
	if err := yaml.UnmarshalStrict(text, &v1alpha2.Cluster{}); err != nil {
		return nil, err
	}
	object, _, err := kopscodecs.Decode(text, nil)
	if err != nil {
		return nil, err
	}
	cluster, ok := object.(*kops.Cluster)
	if !ok {
		return nil, fmt.Errorf("not a cluster: %T", object)
	}
	return cluster, nil
}

// build takes the parts from the cluster.
func build(cluster *kops.Cluster) (*parts, error) {
	made := &parts{Units: map[string]string{}}
	for _, hook := range cluster.Spec.Hooks {
		made.Units[hook.Name] = hook.Manifest
	}
	var err error
	if cluster.Spec.KubeAPIServer != nil {
		made.Flags, err = flagbuilder.BuildFlagsList(cluster.Spec.KubeAPIServer)
		if err != nil {
			return nil, err
		}
	}
	if cluster.Spec.Authentication != nil && cluster.Spec.Authentication.AWS != nil {
		made.Addon, err = render(cluster)
	}
	return made, err
}

// render fills the template of the addon in, with the functions that it uses.
func render(cluster *kops.Cluster) (string, error) {
	text, err := models.NewAssetPath(addon).ReadFile(context.Background())
	if err != nil {
		return "", err
	}
	functions := sprig.TxtFuncMap()
	functions["APIServerNodeRole"] = func() string { return "node-role.kubernetes.io/control-plane" }
	functions["ContainerdSELinuxEnabled"] = func() bool { return false }
	functions["ClusterName"] = func() string { return cluster.Name }
	functions["ToYAML"] = func(value any) (string, error) {
		text, err := yaml.Marshal(value)
		return string(bytes.TrimSpace(text)), err
	}
	parsed, err := template.New("addon").Funcs(functions).Option("missingkey=error").Parse(string(text))
	if err != nil {
		return "", err
	}
	var out bytes.Buffer
	err = parsed.Execute(&out, cluster.Spec)
	return out.String(), err
}

func run(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	cluster, err := read(text)
	if err != nil {
		return err
	}
	made, err := build(cluster)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(made)
}

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kops-check CLUSTER.yaml")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
