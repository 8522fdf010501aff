// Reads a kops cluster as `kops replace` does, validates it, and prints as JSON the parts of a control-plane node that
// nodeup would make of it: kube-apiserver's static pod, the units of the hooks, and the addon for AWS IAM logins.
// Usage: kops-check CLUSTER.yaml
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"text/template"

	"github.com/Masterminds/sprig/v3"
	"k8s.io/kops/nodeup/pkg/model"
	"k8s.io/kops/pkg/apis/kops"
	"k8s.io/kops/pkg/apis/kops/v1alpha2"
	"k8s.io/kops/pkg/apis/kops/validation"
	"k8s.io/kops/pkg/apis/nodeup"
	"k8s.io/kops/pkg/kopscodecs"
	"k8s.io/kops/upup/models"
	"k8s.io/kops/upup/pkg/fi"
	"k8s.io/kops/upup/pkg/fi/nodeup/nodetasks"
	"k8s.io/kops/util/pkg/distributions"
	"k8s.io/kops/util/pkg/vfs"
	"sigs.k8s.io/yaml"
)

const (
	addon    = "cloudup/resources/addons/authentication.aws/k8s-1.12.yaml.template"
	manifest = "/etc/kubernetes/manifests/kube-apiserver.manifest"
	config   = "/etc/kubernetes/authn.config"
)

// parts are what nodeup and the addon manager would make of a cluster.
type parts struct {
	Pod    string            `json:"pod"`
	Config string            `json:"config"`
	Units  map[string]string `json:"units"`
	Addon  string            `json:"addon"`
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
	return cluster, validation.ValidateCluster(cluster, false, vfs.NewVFSContext()).ToAggregate()
}

// node is the context of nodeup on a control-plane node, without keys.
func node(cluster *kops.Cluster) (*model.NodeupModelContext, error) {
	apiserver := cluster.Spec.KubeAPIServer
	if apiserver == nil {
		apiserver = &kops.KubeAPIServerConfig{}
	}
	signer := "/srv/kubernetes/kube-apiserver/service-account.key"
	apiserver.ServiceAccountSigningKeyFile = &signer
	node := &model.NodeupModelContext{
		Architecture: "amd64",
		Distribution: distributions.DistributionUbuntu2404,
		BootConfig: &nodeup.BootConfig{
			CloudProvider:     kops.CloudProviderAWS,
			InstanceGroupRole: kops.InstanceGroupRoleControlPlane,
		},
		NodeupConfig: &nodeup.Config{
			ClusterName:       cluster.Name,
			KubernetesVersion: cluster.Spec.KubernetesVersion,
			Networking:        cluster.Spec.Networking,
			CAs:               map[string]string{},
			KeypairIDs:        map[string]string{},
			Hooks:             [][]kops.HookSpec{{}, cluster.Spec.Hooks},
			APIServerConfig: &nodeup.APIServerConfig{
				KubeAPIServer:  apiserver,
				Authentication: cluster.Spec.Authentication,
			},
		},
	}
	return node, node.Init()
}

// build runs nodeup's builders and takes the parts from their tasks.
func build(cluster *kops.Cluster) (*parts, error) {
	node, err := node(cluster)
	if err != nil {
		return nil, err
	}
	tasks := &fi.NodeupModelBuilderContext{Tasks: map[string]fi.NodeupTask{}}
	if err := (&model.KubeAPIServerBuilder{NodeupModelContext: node}).Build(tasks); err != nil {
		return nil, err
	}
	if err := (&model.HookBuilder{NodeupModelContext: node}).Build(tasks); err != nil {
		return nil, err
	}
	made := &parts{Units: map[string]string{}}
	for _, task := range tasks.Tasks {
		switch task := task.(type) {
		case *nodetasks.Service:
			made.Units[task.Name] = fi.ValueOf(task.Definition)
		case *nodetasks.File:
			if task.Path != manifest && task.Path != config {
				continue
			}
			text, err := fi.ResourceAsString(task.Contents)
			if err != nil {
				return nil, err
			}
			if task.Path == manifest {
				made.Pod = text
			} else {
				made.Config = text
			}
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
