// Applies patches to a control-plane node's machine configuration as `talosctl gen config` does, validates the result
// as `talosctl validate --mode cloud` does, and prints it. Usage: talos-check PATCH…
package main

import (
	"fmt"
	"os"

	"github.com/siderolabs/talos/pkg/machinery/config"
	"github.com/siderolabs/talos/pkg/machinery/config/configpatcher"
	"github.com/siderolabs/talos/pkg/machinery/config/encoder"
	"github.com/siderolabs/talos/pkg/machinery/config/generate"
	"github.com/siderolabs/talos/pkg/machinery/config/generate/secrets"
	"github.com/siderolabs/talos/pkg/machinery/config/machine"
	"github.com/siderolabs/talos/pkg/machinery/constants"
)

// cloud is the runtime mode of machines that need no installation.
type cloud struct{}

func (cloud) String() string        { return "cloud" }
func (cloud) RequiresInstall() bool { return false }
func (cloud) InContainer() bool     { return false }

func generated() (config.Provider, error) {
	bundle, err := secrets.NewBundle(secrets.NewClock(), config.TalosVersionCurrent)
	if err != nil {
		return nil, err
	}
	input, err := generate.NewInput("my-cluster", "https://api.my-cluster.example.com:6443",
		constants.DefaultKubernetesVersion, generate.WithSecretsBundle(bundle))
	if err != nil {
		return nil, err
	}
	return input.Config(machine.TypeControlPlane)
}

func run(files []string) error {
	provider, err := generated()
	if err != nil {
		return err
	}
	names := make([]string, len(files))
	for i, file := range files {
		names[i] = "@" + file
	}
	patches, err := configpatcher.LoadPatches(names)
	if err != nil {
		return err
	}
	output, err := configpatcher.Apply(configpatcher.WithConfig(provider), patches)
	if err != nil {
		return err
	}
	patched, err := output.Config()
	if err != nil {
		return err
	}
	warnings, err := patched.Validate(cloud{})
	for _, warning := range warnings {
		fmt.Fprintln(os.Stderr, "warning:", warning)
	}
	if err != nil {
		return err
	}
	text, err := patched.EncodeBytes(encoder.WithComments(encoder.CommentsDisabled))
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
