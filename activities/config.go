package activities

import (
	"errors"
	"fmt"
	"os"
	"time"

	"plimsoll/activities/malware"
	"plimsoll/activities/registry"
	"plimsoll/engine/catalog"
	"plimsoll/engine/catalog/builtin"
	"plimsoll/engine/catalog/hints"
	"plimsoll/engine/catalog/search/suite"
	"plimsoll/engine/image"
	"plimsoll/persistence"
)

// Analysis is the configuration section of image analysis.
type Analysis struct {
	ScratchDir       string        `yaml:"scratch_dir" doc:"Directory for large files under analysis and feed documents being read. Empty means the system's directory for temporary files."`
	Timeout          time.Duration `yaml:"timeout" doc:"Longest time workers may be at one image before its analysis fails; the time it waits for a worker does not count. 0 means no limit."`
	LayerTimeout     time.Duration `yaml:"layer_timeout" doc:"Longest time one layer may take to be read."`
	StallTimeout     time.Duration `yaml:"stall_timeout" doc:"A transfer from a registry that brings no byte for this long is taken up again."`
	MaxLayerBytes    int64         `yaml:"max_layer_bytes" doc:"Largest layer as the registry sends it, in bytes."`
	MaxLayerUnpacked int64         `yaml:"max_layer_unpacked_bytes" doc:"Largest layer after decompression, in bytes."`
	MaxFileBytes     int64         `yaml:"max_file_bytes" doc:"Largest file that analyzers look into, in bytes; larger ones are listed and reported as not looked into."`
	MaxManifestBytes int64         `yaml:"max_manifest_bytes" doc:"Largest image manifest, in bytes."`
	MaxConfigBytes   int64         `yaml:"max_config_bytes" doc:"Largest image configuration, in bytes."`
	Disabled         []string      `yaml:"disabled_analyzers" doc:"Analyzers to leave out, by name; their packages are then missing from every answer."`
	LockFiles        bool          `yaml:"lock_files" doc:"Count packages that only a lock file asks for, where neither the package nor the lock's tree is installed."`
	MemoryBytes      int64         `yaml:"memory_bytes" doc:"Memory all layers under analysis share for the content of files, in bytes; what goes beyond it waits or goes to the scratch directory."`

	Hints   bool           `yaml:"content_hints" doc:"Count packages that a hints file in the image names (/plimsoll_hints.json, /anchore_hints.json) and no analyzer finds."`
	Foreign []string       `yaml:"foreign_layer_hosts" doc:"Hosts, as host or host:port, from which layers that a manifest says are kept outside the registry may be fetched, without credentials. Empty means none; such layers are then refused unless the registry has them."`
	Digests []string       `yaml:"file_digests" doc:"Digests to compute of every file beside SHA-256, md5 and sha1: with them files are compared with what dpkg and apk recorded about them; rpm needs neither. Changing this reads every layer again."`
	Owned   bool           `yaml:"owned_package_filtering" doc:"Neither list nor match language packages whose files an OS package owns: they count as that package. Holds for images analysed from then on, and for others once they are submitted with force."`
	Cache   int64          `yaml:"layer_cache_bytes" doc:"Results of layers that no image needs any more are kept up to this size, as stored and in bytes, for the next image that shares them; those used longest ago go first, but none within a day of its last use."`
	Malware malware.Config `yaml:"malware" doc:"Scanning of files by ClamAV."`
	Search  suite.Settings `yaml:"search" doc:"Searches in the text files of every layer, and files kept. Changing what is searched for or kept reads every layer again."`
}

// DefaultAnalysis suits images of tens of gigabytes on a small machine.
func DefaultAnalysis() Analysis {
	limits, reg := image.DefaultLimits, registry.DefaultConfig()
	return Analysis{
		Timeout: 12 * time.Hour, LayerTimeout: 4 * time.Hour, StallTimeout: reg.StallTimeout,
		MaxLayerBytes: limits.CompressedBytes, MaxLayerUnpacked: limits.DecompressedBytes, MaxFileBytes: limits.FileBytes,
		MaxManifestBytes: reg.ManifestBytes, MaxConfigBytes: reg.ConfigBytes, MemoryBytes: limits.MemoryBytes,
		LockFiles: true, Cache: 1 << 30, Owned: true, Malware: malware.DefaultConfig(), Search: suite.Default(),
	}
}

// Validate reports every fault of the section at once.
func (a Analysis) Validate() error {
	var faults []error
	if a.ScratchDir != "" {
		if info, err := os.Stat(a.ScratchDir); err != nil || !info.IsDir() {
			faults = append(faults, fmt.Errorf("scratch_dir: %s is not a directory", a.ScratchDir))
		}
	}
	for _, positive := range []struct {
		name string
		ok   bool
	}{
		{"layer_timeout", a.LayerTimeout > 0}, {"stall_timeout", a.StallTimeout > 0},
		{"max_layer_bytes", a.MaxLayerBytes > 0}, {"max_layer_unpacked_bytes", a.MaxLayerUnpacked > 0},
		{"max_file_bytes", a.MaxFileBytes > 0}, {"max_manifest_bytes", a.MaxManifestBytes > 0},
		{"max_config_bytes", a.MaxConfigBytes > 0}, {"memory_bytes", a.MemoryBytes > 0},
	} {
		if !positive.ok {
			faults = append(faults, fmt.Errorf("%s: must be positive", positive.name))
		}
	}
	if a.Timeout < 0 || a.Cache < 0 {
		faults = append(faults, errors.New("timeout and layer_cache_bytes: must not be negative"))
	}
	if err := checkForeign(a.Foreign); err != nil {
		faults = append(faults, fmt.Errorf("foreign_layer_hosts: %w", err))
	}
	if err := image.CheckDigests(a.Digests); err != nil {
		faults = append(faults, fmt.Errorf("file_digests: %w", err))
	}
	if err := a.Malware.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("malware: %w", err))
	}
	if err := a.Search.Validate(); err != nil {
		faults = append(faults, fmt.Errorf("search: %w", err))
	}
	if _, err := builtin.Choose(builtin.Choice{Disabled: a.Disabled, Installed: !a.LockFiles}); err != nil {
		faults = append(faults, fmt.Errorf("disabled_analyzers: %w", err))
	}
	return errors.Join(faults...)
}

// analyzers are the ones the operator has left in.
func (a Analysis) analyzers() ([]catalog.Analyzer, error) {
	chosen, err := builtin.Choose(builtin.Choice{Disabled: a.Disabled, Installed: !a.LockFiles})
	if a.Hints {
		chosen = append(chosen, hints.Analyzer())
	}
	if a.Malware.Enabled {
		chosen = append(chosen, malware.New(a.Malware).Analyzer())
	}
	searches, fault := a.Search.Analyzers()
	return append(chosen, searches...), errors.Join(err, fault)
}

func (a Analysis) limits() image.Limits {
	l := image.DefaultLimits
	l.CompressedBytes, l.DecompressedBytes = a.MaxLayerBytes, a.MaxLayerUnpacked
	l.FileBytes, l.MemoryBytes = a.MaxFileBytes, a.MemoryBytes
	return l
}

// retention is what a collection leaves.
func (a Analysis) retention() persistence.Retention {
	return persistence.Retention{Grace: persistence.CollectGrace, LayerBytes: a.Cache}
}

func (a Analysis) scratch() string {
	if a.ScratchDir != "" {
		return a.ScratchDir
	}
	return os.TempDir()
}
